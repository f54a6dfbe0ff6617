/* main.c - options, start, signals, stop. */
#include "http/decode.h"
#include "http/gate.h"
#include "http/handlers.h"
#include "http/manual.h"
#include "http/options.h"
#include "http/probe.h"
#include "http/server.h"
#include "http/yaml.h"
#include "nabla/blas.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <time.h>

static int fail(const struct nb_error *e)
{
    fprintf(stderr, "nablad: %s\n", e->detail);
    return EXIT_FAILURE;
}

/* ---- the command line ---------------------------------------------------------------------------------------------
 */

/* What the command line said besides options. */
struct asked {
    int command; /* what to do instead of serving; -1: serve */
    const char *file, *url, *label;
};

/* Rows for getopt_long: commands, then options. Kept until the process ends. */
static struct option *long_options(void)
{
    size_t n = NB_COMMAND_COUNT + nb_option_count;
    struct option *list = calloc(n + 1, sizeof *list);
    char *names = calloc(n, 48);
    if (!list || !names)
        return NULL;
    for (int i = 0; i < NB_COMMAND_COUNT; i++) {
        const struct nb_command_row *row = &nb_command_rows[i];
        list[i] = (struct option){nb_dashes(row->name, names + 48 * i), row->argument ? 1 : 0, NULL, i};
    }
    for (size_t i = 0; i < nb_option_count; i++) {
        const struct nb_option *row = &nb_option_rows[i];
        size_t at = NB_COMMAND_COUNT + i;
        list[at] = (struct option){nb_option_name(row, names + 48 * at), row->kind != NB_OPTION_FLAG, NULL, (int)at};
    }
    return list;
}

static void note(struct asked *asked, int command)
{
    if (command == NB_COMMAND_config)
        asked->file = optarg;
    else
        asked->command = command;
    if (command == NB_COMMAND_probe)
        asked->url = optarg;
    if (command == NB_COMMAND_create_key)
        asked->label = optarg;
}

/* First walk: what is to be done, and which file to read. Second walk (set): the options, which win over the file. */
static int walk(int argc, char **argv, const struct option *list, bool set, struct asked *asked, struct nb_error *e)
{
    int c;
    optind = 0;
    opterr = !set;
    while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
        if (c == '?')
            return nb_fail(e, NB_E_bad_parameter, "see nablad --help");
        if (c < NB_COMMAND_COUNT)
            note(asked, c);
        else if (set && nb_option_set(&nb_option_rows[c - NB_COMMAND_COUNT], optarg, e))
            return -1;
    }
    return optind < argc ? nb_fail(e, NB_E_bad_parameter, "%s is not an option; see nablad --help", argv[optind]) : 0;
}

static int read_options(int argc, char **argv, struct asked *asked, struct nb_error *e)
{
    static const struct option *list;
    list = long_options();
    *asked = (struct asked){.command = -1, .file = getenv("NABLAD_CONFIG")};
    nb_options_defaults();
    if (!list)
        return nb_fail_memory(e);
    if (walk(argc, argv, list, false, asked, e) || (asked->file && nb_options_file(asked->file, e)) ||
        nb_options_environment(e))
        return -1;
    return walk(argc, argv, list, true, asked, e);
}

/* ---- instead of serving ---------------------------------------------------------------------------------------------
 */

static void print_version(FILE *f)
{
    fputs("nablad " PACKAGE_VERSION "\n", f);
}

static void print_modules(FILE *f)
{
    json_t *tree = nb_modules_json();
    nb_yaml_print(f, "Written by nablad --modules-yaml.", tree);
    json_decref(tree);
}

static void print_errors(FILE *f)
{
    json_t *tree = nb_errors_json();
    nb_yaml_print(f, "Written by nablad --errors-yaml.", tree);
    json_decref(tree);
}

static int do_command(const struct asked *asked, struct nb_error *e)
{
    static void (*const printers[NB_COMMAND_COUNT])(FILE * f) = {
        [NB_COMMAND_print_config] = nb_options_print, [NB_COMMAND_routes] = nb_router_print,
        [NB_COMMAND_modules_yaml] = print_modules,    [NB_COMMAND_errors_yaml] = print_errors,
        [NB_COMMAND_manual] = nb_manual_print,        [NB_COMMAND_help] = nb_help_print,
        [NB_COMMAND_version] = print_version,
    };
    if (asked->command == NB_COMMAND_probe)
        return nb_probe(asked->url, e);
    if (asked->command == NB_COMMAND_create_key)
        return nb_gate_create_key(nb_options.data, asked->label, e);
    printers[asked->command](stdout);
    return fflush(stdout) ? nb_fail(e, NB_E_internal, "cannot write: %s", strerror(errno)) : 0;
}

/* ---- serving
 * --------------------------------------------------------------------------------------------------------- */

/* A handler and a pipe rather than sigwait: OpenBLAS has threads of its own before main begins, and a signal may go to
 * one of them. */
static int signals[2];

static void on_signal(int number)
{
    char c = (char)number;
    int keep = errno;
    if (write(signals[1], &c, 1) < 0)
        _exit(EXIT_FAILURE); /* the pipe cannot be full: nobody signals that often */
    errno = keep;
}

static int catch_signals(struct nb_error *e)
{
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, ignore = {.sa_handler = SIG_IGN};
    if (pipe2(signals, O_CLOEXEC | O_NONBLOCK) || sigaction(SIGTERM, &act, NULL) || sigaction(SIGINT, &act, NULL) ||
        sigaction(SIGPIPE, &ignore, NULL))
        return nb_fail(e, NB_E_internal, "signals cannot be caught: %s", strerror(errno));
    return 0;
}

/* The next signal, or 0 after so many milliseconds; -1: wait for ever. */
static int next_signal(int milliseconds)
{
    struct pollfd p = {.fd = signals[0], .events = POLLIN};
    char c = 0;
    while (poll(&p, 1, milliseconds) < 0 && errno == EINTR)
        ;
    return read(signals[0], &c, 1) == 1 ? c : 0;
}

/* Not ready from the first signal on; after SIGTERM the delay, unless a second signal cuts it short. */
static void wait_for_signal(void)
{
    int got = next_signal(-1);
    nb_server_unready();
    if (got == SIGTERM && nb_options.stop_delay)
        next_signal((int)nb_options.stop_delay * 1000);
}

static int serve(struct nb_store *store, struct nb_error *e)
{
    if (nb_server_start(store, e))
        return fail(e);
    fprintf(stderr, "nablad %s listening on %s, data in %s, OpenBLAS core %s, %s\n", PACKAGE_VERSION, nb_server_url(),
            nb_options.data, nb_blas_core(), nb_blas_flavour());
    wait_for_signal();
    if (!nb_server_stop()) {
        fputs("nablad: a request was still running after --stop-seconds\n", stderr);
        nb_store_flush(store, e);
        _exit(EXIT_SUCCESS); /* it may use the store; what was answered is on disk */
    }
    return EXIT_SUCCESS;
}

/* All times are UTC. libzip asks for local ones; without TZ the C library looks at /etc/localtime every time. */
static void settle_time(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
}

int main(int argc, char **argv)
{
    struct nb_error e = {0};
    struct asked asked;
    if (read_options(argc, argv, &asked, &e))
        return fail(&e);
    if (asked.command >= 0)
        return do_command(&asked, &e) ? fail(&e) : EXIT_SUCCESS;
    nb_blas_restart(argv);
    settle_time();
    if (nb_blas_start(&e) || nb_seed_start(&e) || catch_signals(&e))
        return fail(&e);
    struct nb_store *store = nb_store_open(nb_options.data, &e);
    if (!store)
        return fail(&e);
    int status = serve(store, &e);
    if (nb_store_flush(store, &e))
        fail(&e);
    nb_store_close(store);
    return status;
}
