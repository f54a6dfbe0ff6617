/* options.h - what the daemon was told: flags, environment, configuration file, defaults, in this order of weight. */
#ifndef NABLA_OPTIONS_H
#define NABLA_OPTIONS_H
#include "nabla/limits.h"
#include <stdbool.h>
#include <stdio.h>

struct nb_options {
#define TEXT(name, def, help) char *name;
#define NUMBER(name, def, min, max, help) int64_t name;
#define FLAG(name, help) bool name;
#include "http/options.def"
#undef TEXT
#undef NUMBER
#undef FLAG
};
extern struct nb_options nb_options;

enum nb_option_kind { NB_OPTION_TEXT, NB_OPTION_NUMBER, NB_OPTION_FLAG };

struct nb_option {
    const char *name; /* as in C; see nb_option_name */
    enum nb_option_kind kind;
    bool limit;
    void *place; /* char *, int64_t or bool */
    const char *text;
    int64_t def, min, max;
    const char *help;
};

/* All options and limits, in the order of the files. */
extern const struct nb_option nb_option_rows[];
extern const size_t nb_option_count;

/* By its name on the command line, with or without the dashes; NULL: there is none. */
const struct nb_option *nb_option_find(const char *name);
/* "header-seconds", "limit-nodes": the name on the command line and in the configuration file. Returns buf. */
char *nb_option_name(const struct nb_option *o, char buf[48]);
/* A name in C with - for _. */
char *nb_dashes(const char *name, char buf[48]);

void nb_options_defaults(void);
/* One option from its text; NULL switches a flag on. Errors name the option. */
int nb_option_set(const struct nb_option *o, const char *text, struct nb_error *e);
/* Everything called NABLAD_NAME. */
int nb_options_environment(struct nb_error *e);
/* A JSON object, name -> value. */
int nb_options_file(const char *path, struct nb_error *e);

/* What is in force, as a configuration file. */
void nb_options_print(FILE *f);

#endif
