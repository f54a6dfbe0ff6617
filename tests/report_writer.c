/* report_writer.c - reports of results from standard input, a line of JSON each, for tests/test_reports.py. Before the
 * bytes of a report stands "ok SIZE", for an error "error CODE". */
#include "report/report.h"
#include <stdlib.h>
#include <string.h>

static const char *text(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static enum nb_hint_level level_of(const json_t *j)
{
    static const char *const levels[] = {"verdict", "place", "pattern", "formula"};
    const char *name = text(j, "level");
    int level = name ? 0 : NB_HINT_FORMULA;
    while (name && level < NB_HINT_FORMULA && strcmp(name, levels[level]))
        level++;
    return (enum nb_hint_level)level;
}

static struct nb_report report_of(json_t *j)
{
    struct nb_report r = {.result = json_object_get(j, "result"),
                          .student = text(j, "student"),
                          .submission = text(j, "submission"),
                          .assignment = text(j, "assignment"),
                          .attempt = json_integer_value(json_object_get(j, "attempt")),
                          .level = level_of(j),
                          .reveal = json_is_true(json_object_get(j, "reveal")),
                          .full = json_is_true(json_object_get(j, "full")),
                          .wrong_shape = json_is_true(json_object_get(j, "wrong_shape"))};
    for (const struct nb_runner_key *k = nb_runner_keys; k->name; k++)
        memcpy((char *)&r.runner + k->offset, &(const char *){text(json_object_get(j, "runner"), k->name)},
               sizeof(const char *));
    return r;
}

static int write_course(const struct nb_report_format *f, json_t *j, struct nb_text *t, struct nb_error *e)
{
    json_t *all = json_object_get(j, "course");
    size_t n = json_array_size(all);
    struct nb_report *reports = nb_small(t->arena, n, sizeof *reports, e);
    for (size_t i = 0; reports && i < n; i++)
        reports[i] = report_of(json_array_get(all, i));
    struct nb_course c = {text(j, "assignment"), text(j, "title"), n, reports};
    return nb_course_write(f, &c, t, e);
}

static int write_one(json_t *j, struct nb_text *t, struct nb_error *e)
{
    bool course = json_object_get(j, "course") != NULL;
    const struct nb_report_format *f = nb_report_format(text(j, "format"), course, e);
    struct nb_report r = report_of(j);
    if (!f)
        return -1;
    return course ? write_course(f, j, t, e) : nb_report_write(f, &r, t, e);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        struct nb_arena arena;
        struct nb_error e = {0};
        nb_arena_init(&arena, 1 << 30);
        struct nb_text t = {.arena = &arena};
        json_t *j = json_loads(line, 0, NULL);
        if (!j || write_one(j, &t, &e)) {
            printf("error %s %s\n", e.code ? nb_code_name(e.code) : "json", e.detail);
        } else {
            printf("ok %zu\n", t.n);
            fwrite(t.v, 1, t.n, stdout);
        }
        fflush(stdout);
        json_decref(j);
        nb_arena_done(&arena);
    }
    free(line);
    return 0;
}
