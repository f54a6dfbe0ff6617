/* manual.h - what the program says about itself: the text of --help, and the manual page. */
#ifndef NABLA_MANUAL_H
#define NABLA_MANUAL_H
#include <stdio.h>

enum nb_command {
#define COMMAND(name, argument, help) NB_COMMAND_##name,
#include "http/commands.def"
#undef COMMAND
    NB_COMMAND_COUNT
};

struct nb_command_row {
    const char *name, *argument, *help;
};
extern const struct nb_command_row nb_command_rows[NB_COMMAND_COUNT]; /* names with - */

void nb_help_print(FILE *f);
void nb_manual_print(FILE *f);

#endif
