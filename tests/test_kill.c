/* test_kill.c - a process that changes the store is killed at random moments. Whatever it had acknowledged must be
 * there, the change it was at must be there whole or not at all, and every file must be what its name says. */
#include "store/store.h"
#include "graphs.h"
#include "scratch.h"
#include "store/files.h"
#include "victim.h"
#include <limits.h>

enum { KILLS = 220, NAMES = 4 };

/* What the parent believes. */
static struct state {
    int64_t revision; /* 0: not there */
    int value;        /* of all parameters; -1: the graph without any */
} believed[NAMES];

static const char *const names[NAMES] = {"a", "b", "c", "d"};

/* What the child is about to do, and, with `done`, has done. */
struct step {
    enum { CREATE, REPLACE, PARAMETERS, REMOVE, FAILED } what;
    int name, value;
    bool done;
};

static uint64_t draws = 2463534242;

static unsigned draw(unsigned n)
{
    draws = draws * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(draws >> 33) % n;
}

static void apply(struct state *s, const struct step *x)
{
    struct state *t = &s[x->name];
    if (x->what == REMOVE)
        *t = (struct state){0, 0};
    else
        *t = (struct state){t->revision + 1, x->value};
}

static struct nb_tensors constant(int v)
{
    char text[300];
    snprintf(text, sizeof text, "{'y.weight': [[%d,%d],[%d,%d],[%d,%d]], 'y.bias': [%d,%d,%d]}", v, v, v, v, v, v, v, v,
             v);
    return tensors(text);
}

#define TANH "{'inputs': {'x': ['B', 2]}, 'nodes': {'h': {'op': 'Tanh', 'in': 'x'}}, 'outputs': ['h']}"
#define LINEAR                                                                                                         \
    "{'inputs': {'x': ['B', 2]}, 'nodes': {'y': {'op': 'Linear', 'in': 'x', 'out_features': 3}}, 'outputs': ['y']}"

static struct nb_graph *graph_of(int value)
{
    struct nb_error e = {0};
    struct nb_graph *plain = make_good(value < 0 ? TANH : LINEAR), *g;
    if (value < 0)
        return plain;
    struct nb_tensors l = constant(value);
    g = nb_graph_with(plain, &l, true, &e);
    nb_graph_unref(plain);
    return g;
}

/* ---- the child ----------------------------------------------------------------------------------------------------
 */

/* A change that is possible; values come again and again, so that graphs share files. */
static struct step choose(void)
{
    struct step x = {.name = (int)draw(NAMES), .value = (int)draw(7) - 1};
    const struct state *t = &believed[x.name];
    x.what = !t->revision ? draw(2) ? CREATE : REPLACE : draw(4) == 0 ? REMOVE : REPLACE;
    if (x.what == REPLACE && t->revision && t->value >= 0 && x.value >= 0 && draw(2))
        x.what = PARAMETERS;
    return x;
}

static int take(struct nb_store *s, const struct step *x)
{
    struct nb_entry info;
    struct nb_error e = {0};
    bool created;
    struct nb_tensors l = x->what == PARAMETERS ? constant(x->value) : (struct nb_tensors){0};
    struct nb_graph *g = graph_of(x->value);
    int r = x->what == CREATE       ? nb_store_create(s, names[x->name], g, &info, &e)
            : x->what == REPLACE    ? nb_store_replace(s, names[x->name], g, &created, &info, &e)
            : x->what == PARAMETERS ? nb_store_parameters(s, names[x->name], &l, true, &info, &e)
                                    : nb_store_remove(s, names[x->name], &e);
    nb_graph_unref(g);
    return r;
}

static void say(int fd, struct step x)
{
    if (write(fd, &x, sizeof x) != sizeof x)
        _exit(2);
}

/* Changes the store until it is killed. */
static void child(int fd)
{
    struct nb_error e = {0};
    struct nb_store *s = nb_store_open(scratch, &e);
    while (s) {
        struct step x = choose();
        say(fd, x);
        if (take(s, &x))
            break;
        apply(believed, &x);
        x.done = true;
        say(fd, x);
    }
    say(fd, (struct step){.what = FAILED});
}

/* ---- the parent ---------------------------------------------------------------------------------------------------
 */

static int acknowledged, unfinished, found_old, found_new;

/* Follows what the child says; *last was begun and not acknowledged if *open. */
static void follow(int fd, int most, struct step *last, bool *open)
{
    while (most-- > 0 && read(fd, last, sizeof *last) == sizeof *last) {
        ck_assert_msg(last->what != FAILED, "the child could not change the store");
        if (last->done)
            apply(believed, last);
        acknowledged += last->done;
        *open = !last->done;
    }
}

static void kill_one(struct step *last, bool *open)
{
    int said, first = (int)draw(14), pause = (int)draw(4000);
    pid_t pid = victim_begin(child, &said);
    follow(said, first, last, open); /* without any the kill may hit the opening */
    usleep((useconds_t)pause);
    victim_kill(pid);
    follow(said, INT_MAX, last, open);
    close(said);
}

static void check_file(const char *name)
{
    static char bytes[100000];
    char hash[NB_HASH_SIZE];
    FILE *f = fopen(scratch_path("weights/", name), "rb");
    ck_assert_ptr_nonnull(f);
    nb_files_hash(bytes, fread(bytes, 1, sizeof bytes, f), hash);
    fclose(f);
    ck_assert_msg(strncmp(name, hash, 64) == 0, "%s has another content", name);
}

static bool is_state(const struct nb_entry *list, size_t n, const struct state *s)
{
    size_t k = 0;
    for (int i = 0; i < NAMES; i++)
        if (s[i].revision) {
            if (k == n || strcmp(list[k].name, names[i]) || list[k].revision != s[i].revision)
                return false;
            k++;
        }
    return k == n;
}

/* Every graph with all its values; the files are those that the rows name, each once. */
static void check_content(struct nb_store *s)
{
    struct nb_error e = {0};
    struct nb_entry info[NAMES];
    size_t distinct = 0;
    for (int i = 0, n = 0; i < NAMES; i++) {
        if (!believed[i].revision)
            continue;
        struct nb_graph *g = nb_store_get(s, names[i], &info[n], &e);
        ck_assert_msg(g != NULL, "%s: %s", names[i], e.detail);
        const struct nb_tensors *l = nb_graph_parameters(g);
        ck_assert_uint_eq(l->n, believed[i].value < 0 ? 0 : 2);
        for (size_t k = 0; k < l->n; k++)
            for (size_t j = 0; j < (size_t)nb_count(&l->v[k].t.shape); j++)
                ck_assert(at(l, l->v[k].name, j) == believed[i].value);
        nb_graph_unref(g);
        bool seen = false;
        for (int k = 0; k < n; k++)
            seen |= strcmp(info[k].parameters, info[n].parameters) == 0;
        distinct += !seen;
        n++;
    }
    ck_assert_uint_eq(scratch_each("weights/", check_file), distinct);
}

static void check_store(const struct step *last, bool open)
{
    struct nb_error e = {0};
    struct nb_entry *list;
    size_t n;
    struct state later[NAMES];
    struct nb_store *s = nb_store_open(scratch, &e);
    ck_assert_msg(s != NULL, "%s", e.detail);
    ck_assert_int_eq(nb_store_list(s, &arena, &list, &n, &e), 0);
    memcpy(later, believed, sizeof later);
    if (open)
        apply(later, last);
    if (open && is_state(list, n, later)) {
        memcpy(believed, later, sizeof later);
        found_new++;
    } else {
        ck_assert_msg(is_state(list, n, believed), "neither the old state nor the new one");
        found_old += open;
    }
    unfinished += open;
    check_content(s);
    nb_store_close(s);
}

START_TEST(killed)
{
    for (int i = 0; i < KILLS; i++) {
        struct step last = {0};
        bool open = false;
        nb_arena_init(&arena, 1 << 24);
        kill_one(&last, &open);
        draw(1 + (unsigned)i); /* the children draw on from here, each from another place */
        check_store(&last, open);
        nb_arena_done(&arena);
    }
    printf("%d kills: %d changes acknowledged, all there; %d in the middle of a change: %d times the old state, %d the "
           "new\n",
           KILLS, acknowledged, unfinished, found_old, found_new);
    fflush(stdout);
    ck_assert_int_gt(unfinished, KILLS / 10); /* else the kills miss what they are for */
    ck_assert_int_gt(acknowledged, KILLS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kill");
    TCase *c = tcase_create("kill");
    tcase_add_checked_fixture(c, scratch_make, scratch_remove);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, killed);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
