/* test_language - graphs that must be refused, each with its code, its place and what the detail says. The rows come
 * from the reference of the graph language, section 12; texts that are not JSON are tested where bodies are read. */
#include "graph/graph.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *rows;

START_TEST(test_refused)
{
    json_t *row = json_array_get(rows, (size_t)_i);
    struct nb_error e = {0};
    const char *code = json_string_value(json_object_get(row, "code")),
               *at = json_string_value(json_object_get(row, "pointer"));
    const char *detail = json_string_value(json_object_get(row, "detail"));
    struct nb_graph *g = nb_graph_new(json_object_get(row, "graph"), NULL, (struct nb_seed){1, 2}, &e);
    ck_assert_msg(!g, "row %d was accepted", _i);
    ck_assert_msg(!strcmp(nb_code_name(e.code), code), "%s: wanted %s, came %s (%s)", at, code, nb_code_name(e.code),
                  e.detail);
    ck_assert_msg(!strcmp(e.pointer, at), "wanted %s, came %s (%s)", at, e.pointer, e.detail);
    ck_assert_msg(strstr(e.detail, detail) != NULL, "%s: \"%s\" lacks \"%s\"", at, e.detail, detail);
}
END_TEST

/* The same text always gives the same error. */
START_TEST(test_same_error)
{
    json_t *row = json_array_get(rows, (size_t)_i);
    struct nb_error a = {0}, b = {0};
    nb_graph_new(json_object_get(row, "graph"), NULL, (struct nb_seed){1, 2}, &a);
    nb_graph_new(json_object_get(row, "graph"), NULL, (struct nb_seed){1, 2}, &b);
    ck_assert_str_eq(a.detail, b.detail);
    ck_assert_str_eq(a.pointer, b.pointer);
}
END_TEST

static json_t *load(void)
{
    char path[1000];
    const char *top = getenv("top_srcdir");
    json_error_t why;
    snprintf(path, sizeof path, "%s/tests/fixtures/refused.json", top ? top : ".");
    json_t *j = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (!j)
        fprintf(stderr, "%s: %s\n", path, why.text);
    return j;
}

int main(void)
{
    if (!(rows = load()))
        return 1;
    Suite *s = suite_create("language");
    TCase *t = tcase_create("refused");
    tcase_add_loop_test(t, test_refused, 0, (int)json_array_size(rows));
    tcase_add_loop_test(t, test_same_error, 0, (int)json_array_size(rows));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    json_decref(rows);
    return bad != 0;
}
