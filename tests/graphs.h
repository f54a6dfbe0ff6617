/* graphs.h - for tests: a graph and a request from JSON texts with single quotes for double ones. */
#ifndef TEST_GRAPHS_H
#define TEST_GRAPHS_H
#include "graph/graph.h"
#include "graph/value.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct nb_arena arena;
static struct nb_error error;

static json_t *parse(const char *text)
{
    char *copy = strdup(text);
    json_error_t why;
    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    json_t *j = json_loads(copy, JSON_REJECT_DUPLICATES, &why);
    ck_assert_msg(j != NULL, "%s in %s", why.text, copy);
    free(copy);
    return j;
}

static struct nb_graph *make(const char *text)
{
    json_t *j = parse(text);
    memset(&error, 0, sizeof error);
    struct nb_graph *g = nb_graph_new(j, NULL, (struct nb_seed){1, 2}, &error);
    json_decref(j);
    return g;
}

static inline struct nb_graph *make_good(const char *text)
{
    struct nb_graph *g = make(text);
    ck_assert_msg(g != NULL, "%s at %s: %s", nb_code_name(error.code), error.pointer, error.detail);
    return g;
}

/* {"x": [[1, 2]]} as named tensors; numbers stay NB_F64. */
static inline struct nb_tensors tensors(const char *text)
{
    struct nb_tensors l = {0};
    json_t *j = parse(text), *v;
    const char *name;
    json_object_foreach (j, name, v) {
        struct nb_tensor t;
        struct nb_error e = {0};
        ck_assert_int_eq(nb_tensor_read(v, &arena, &t, &e), 0);
        ck_assert_int_eq(nb_tensors_add(&arena, &l, nb_strdup(&arena, name, &e), t, &e), 0);
    }
    json_decref(j);
    return l;
}

static inline double at(const struct nb_tensors *l, const char *name, size_t i)
{
    double v;
    struct nb_tensor *t = nb_tensors_find(l, name);
    ck_assert_msg(t != NULL, "no tensor %s", name);
    ck_assert_int_lt((int64_t)i, nb_count(&t->shape));
    nb_convert(NB_F64, &v, t->dtype, (char *)t->data + i * nb_dtype_size(t->dtype), 1);
    return v;
}

#endif
