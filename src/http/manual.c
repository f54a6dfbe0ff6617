/* manual.c - help and manual page, from the rows of commands.def, options.def and limits.def. */
#include "http/manual.h"
#include "http/options.h"
#include <inttypes.h>

const struct nb_command_row nb_command_rows[NB_COMMAND_COUNT] = {
#define COMMAND(name, argument, help) {#name, argument, help},
#include "http/commands.def"
#undef COMMAND
};

/* ---- --help -------------------------------------------------------------------------------------------------------
 */

static void help_row(FILE *f, const char *name, const char *argument, const char *help)
{
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", name, argument ? " " : "", argument ? argument : "");
    fprintf(f, "  %-27s %s", left, help);
}

static const char *argument_of(const struct nb_option *o)
{
    return o->kind == NB_OPTION_FLAG ? NULL : o->kind == NB_OPTION_TEXT ? "TEXT" : "N";
}

static void put_default(FILE *f, const struct nb_option *o)
{
    if (o->kind == NB_OPTION_NUMBER)
        fprintf(f, " (%" PRId64 ")", o->def);
    else if (o->kind == NB_OPTION_TEXT && *o->text)
        fprintf(f, " (%s)", o->text);
}

void nb_help_print(FILE *f)
{
    char name[48];
    fputs(
        "nablad answers over HTTP about neural-network module graphs: forward, backward, loss, and whether a gradient\n"
        "is right.\n\n"
        "  nablad [options]            serve until SIGTERM or SIGINT\n\n",
        f);
    for (int i = 0; i < NB_COMMAND_COUNT; i++) {
        help_row(f, nb_dashes(nb_command_rows[i].name, name), nb_command_rows[i].argument, nb_command_rows[i].help);
        fputc('\n', f);
    }
    fputs("\nOptions, and their defaults. The command line wins over the environment (NABLAD_PORT, "
          "NABLAD_LIMIT_NODES), the\n"
          "environment over the file.\n\n",
          f);
    for (const struct nb_option *o = nb_option_rows; o < nb_option_rows + nb_option_count; o++) {
        help_row(f, nb_option_name(o, name), argument_of(o), o->help);
        put_default(f, o);
        fputc('\n', f);
    }
}

/* ---- --manual ------------------------------------------------------------------------------------------------------
 */

/* What the reader may want to copy has hyphens that are minus signs: \- in man(7). */
static void put_hyphens(FILE *f, const char *s)
{
    for (; *s; s++)
        if (*s == '-')
            fputs("\\-", f);
        else
            fputc(*s, f);
}

static void manual_row(FILE *f, const char *name, const char *argument, const char *help)
{
    fputs(".TP\n.BR \\-\\-", f);
    put_hyphens(f, name);
    if (argument)
        fprintf(f, " \" \\fI%s\\fR\"", argument);
    fputc('\n', f);
    put_hyphens(f, help);
}

static void put_options(FILE *f, bool limits)
{
    char name[48];
    for (const struct nb_option *o = nb_option_rows; o < nb_option_rows + nb_option_count; o++)
        if (o->limit == limits) {
            manual_row(f, nb_option_name(o, name), argument_of(o), o->help);
            put_default(f, o);
            fputc('\n', f);
        }
}

static void put_commands(FILE *f)
{
    char name[48];
    for (int i = 0; i < NB_COMMAND_COUNT; i++) {
        manual_row(f, nb_dashes(nb_command_rows[i].name, name), nb_command_rows[i].argument, nb_command_rows[i].help);
        fputc('\n', f);
    }
}

static const char head[] =
    ".\\\" Written by nablad --manual.\n"
    ".TH NABLAD 8 \"\" \"nablad " PACKAGE_VERSION "\"\n"
    ".SH NAME\n"
    "nablad \\- forward, backward, loss and gradient checks of neural\\-network module graphs over HTTP\n"
    ".SH SYNOPSIS\n"
    ".B nablad\n"
    ".RI [ options ]\n"
    ".SH DESCRIPTION\n"
    ".B nablad\n"
    "keeps graphs of neural\\-network modules and answers four questions about them: what is the output, what is the\n"
    "gradient, what is the loss, and is this gradient right.\n"
    "Graphs are written in JSON; tensors travel as JSON, safetensors, npz or npy.\n"
    ".PP\n"
    "It serves in the foreground until it gets a signal.\n"
    "By default it listens on 127.0.0.1 and answers to the names of this machine only, and to everybody.\n"
    "From the first key on, or with\n"
    ".BR \\-\\-require\\-keys ,\n"
    "requests carry a key, Authorization: Bearer nk_..., and each key opens what its scopes say.\n"
    "Keys travel as they are: on a network put a proxy with TLS in front.\n"
    ".SH COMMANDS\n";

static const char tail[] =
    ".SH ENVIRONMENT\n"
    "Each option is also a variable: NABLAD_PORT, NABLAD_LIMIT_NODES; NABLAD_CONFIG names the configuration file.\n"
    "The command line wins over the environment, the environment over the file.\n"
    ".TP\n"
    ".BR OPENBLAS_CORETYPE\n"
    "chooses the kernels of OpenBLAS; the service card at /v1 says which are in use.\n"
    ".SH FILES\n"
    "The data directory holds a database of graphs, keys (as hashes) and courses, the parameters as safetensors files, "
    "and\n"
    "first-key, if\n"
    ".B \\-\\-require\\-keys\n"
    "made the first one.\n"
    "One daemon may use it at a time. Copy it while the daemon is stopped.\n"
    ".SH SIGNALS\n"
    ".TP\n"
    ".BR SIGTERM\n"
    "Not ready at once; after\n"
    ".B \\-\\-stop\\-delay\n"
    "new work is refused, running requests end within\n"
    ".BR \\-\\-stop\\-seconds ,\n"
    "and the daemon ends. A second signal cuts the delay short.\n"
    ".TP\n"
    ".BR SIGINT\n"
    "The same without the delay.\n"
    ".SH EXIT STATUS\n"
    "0 after a signal, 1 if an option is wrong or the daemon cannot start; standard error says why.\n"
    ".SH EXAMPLES\n"
    ".EX\n"
    "nablad \\-\\-port 8081 \\-\\-data /var/lib/nablad\n"
    "curl \\-s http://127.0.0.1:8081/v1\n"
    ".EE\n";

void nb_manual_print(FILE *f)
{
    fputs(head, f);
    put_commands(f);
    fputs(".SH OPTIONS\n", f);
    put_options(f, false);
    fputs(".SH LIMITS\nWhat goes over a limit is refused with 413 and the name of the option.\n", f);
    put_options(f, true);
    fputs(tail, f);
}
