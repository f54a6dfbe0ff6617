/* main.c - options, start, signals, stop. */
#include "http/decode.h"
#include "http/handlers.h"
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

/* What the command line may ask for besides options of options.def. */
enum { HELP = 1000, VERSION, CONFIG, PROBE, PRINT_CONFIG, ROUTES, MODULES_YAML, ERRORS_YAML, MANUAL_OPTIONS };

static const struct option commands[] = {
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {"config", required_argument, NULL, CONFIG},
    {"probe", required_argument, NULL, PROBE},
    {"print-config", no_argument, NULL, PRINT_CONFIG},
    {"routes", no_argument, NULL, ROUTES},
    {"modules-yaml", no_argument, NULL, MODULES_YAML},
    {"errors-yaml", no_argument, NULL, ERRORS_YAML},
    {"manual-options", no_argument, NULL, MANUAL_OPTIONS},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const char *probed; /* the address of --probe */

static int fail(const struct nb_error *e)
{
    fprintf(stderr, "nablad: %s\n", e->detail);
    return EXIT_FAILURE;
}

/* ---- the command line --------------------------------------------------------------------------------------------- */

/* Rows for getopt_long: our commands, then all options; val of an option is its index. */
static struct option *long_options(void)
{
    struct option *list = calloc(COMMANDS + nb_option_count + 1, sizeof *list);
    char *names = calloc(nb_option_count, 48);
    if (!list || !names)
        return NULL;
    memcpy(list, commands, sizeof commands);
    for (size_t i = 0; i < nb_option_count; i++) {
        int takes = nb_option_rows[i].kind == NB_OPTION_FLAG ? no_argument : required_argument;
        list[COMMANDS + i] = (struct option){nb_option_name(&nb_option_rows[i], names + 48 * i), takes, NULL, (int)i};
    }
    return list;
}

/* First walk: what is to be done, and which file to read. Second walk: the options, which win over the file. */
static int walk(int argc, char **argv, const struct option *list, bool set, int *command, const char **file,
                struct nb_error *e)
{
    int c;
    optind = 0;
    opterr = !set;
    while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
        if (c == '?')
            return nb_fail(e, NB_E_bad_parameter, "see nablad --help");
        if (c == PROBE)
            probed = optarg;
        if (c == CONFIG)
            *file = optarg;
        else if (c >= HELP)
            *command = c;
        else if (set && nb_option_set(&nb_option_rows[c], optarg, e))
            return -1;
    }
    return optind < argc ? nb_fail(e, NB_E_bad_parameter, "%s is not an option; see nablad --help", argv[optind]) : 0;
}

static int read_options(int argc, char **argv, int *command, struct nb_error *e)
{
    const char *file = getenv("NABLAD_CONFIG");
    const struct option *list = long_options();
    nb_options_defaults();
    if (!list)
        return nb_fail_memory(e);
    if (walk(argc, argv, list, false, command, &file, e) || (file && nb_options_file(file, e)) ||
        nb_options_environment(e))
        return -1;
    return walk(argc, argv, list, true, command, &file, e);
}

/* ---- what is printed ------------------------------------------------------------------------------------------------ */

static void print_help(void)
{
    puts("nablad answers over HTTP about neural-network module graphs: forward, backward, loss, and whether a gradient\n"
         "is right.\n\n"
         "  nablad [options]            serve until SIGTERM or SIGINT\n\n"
         "  --config FILE               read options from a JSON object: {\"port\": 8081, \"data\": \"/var/lib/nablad\"}\n"
         "  --print-config              print the options in force as such a file, and end\n"
         "  --probe URL                 ask a daemon, say http://127.0.0.1:8080/livez; status 0 if it is well\n"
         "  --routes                    print what there is to ask, and end\n"
         "  --modules-yaml              print the catalogue of modules, and end\n"
         "  --errors-yaml               print the list of errors, and end\n"
         "  --manual-options            print the options for the manual page, and end\n"
         "  --help, --version\n\n"
         "Options (and their defaults). The command line wins over the environment (NABLAD_PORT, NABLAD_LIMIT_NODES), the\n"
         "environment over the file.\n");
    nb_options_help(stdout);
}

static void print_tree(const char *title, json_t *tree)
{
    nb_yaml_print(stdout, title, tree);
    json_decref(tree);
}

static int print_something(int command)
{
    switch (command) {
    case HELP:
        print_help();
        break;
    case VERSION:
        puts("nablad " PACKAGE_VERSION);
        break;
    case PRINT_CONFIG:
        nb_options_print(stdout);
        break;
    case ROUTES:
        nb_router_print(stdout);
        break;
    case MODULES_YAML:
        print_tree("Written by nablad --modules-yaml.", nb_modules_json());
        break;
    case ERRORS_YAML:
        print_tree("Written by nablad --errors-yaml.", nb_errors_json());
        break;
    default:
        nb_options_manual(stdout);
    }
    return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- serving --------------------------------------------------------------------------------------------------------- */

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
        _exit(EXIT_SUCCESS); /* it may use the store; what was answered is on disk */
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct nb_error e = {0};
    int command = 0;
    if (read_options(argc, argv, &command, &e))
        return fail(&e);
    if (command == PROBE)
        return nb_probe(probed, &e) ? fail(&e) : EXIT_SUCCESS;
    if (command)
        return print_something(command);
    if (nb_blas_start(&e) || nb_seed_start(&e) || catch_signals(&e))
        return fail(&e);
    struct nb_store *store = nb_store_open(nb_options.data, &e);
    if (!store)
        return fail(&e);
    int status = serve(store, &e);
    nb_store_close(store);
    return status;
}
