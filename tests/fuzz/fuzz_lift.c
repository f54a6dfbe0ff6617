/* fuzz_lift - any bytes as a JSON body: Jansson must be of the same opinion, and find the same numbers. */
#include "graph/value.h"
#include "nabla/limits.h"
#include "wire/lift.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(x) ((x) ? (void)0 : abort())

static bool syntax(enum nb_code code)
{
    return code == NB_E_json_syntax || code == NB_E_duplicate_key;
}

/* The numbers of the tree where the lifter found this tensor. */
static void compare(const json_t *j, const struct nb_tensor *t, struct nb_arena *a)
{
    struct nb_error e = {0};
    struct nb_tensor u;
    if (t->dtype != NB_F64) /* truth values: another matter */
        return;
    must(nb_tensor_read(j, a, &u, &e) == 0);
    must(nb_shape_same(&t->shape, &u.shape) == 1);
    for (int64_t i = 0; i < nb_count(&u.shape); i++) {
        double v = ((double *)t->data)[i], w = ((double *)u.data)[i];
        must((v != v && w != w) || v == w);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nb_tensors inputs = {0}, other = {0};
    const struct nb_lift_rule rules[] = {{"/inputs/*", &inputs}, {"/list/*/data", &other}, {"/vec", &other}};
    struct nb_error e = {0};
    struct nb_arena a;
    json_t *rest = NULL;
    json_error_t je;
    char *body = malloc(size + 1);
    memcpy(body, data, size);
    body[size] = 0;
    nb_limits.memory = 64 << 20;
    nb_arena_init(&a, 64 << 20);
    int failed = nb_lift(body, size, rules, 3, &a, &rest, &e);
    must(e.code != NB_E_internal && (failed != 0) == (e.code != NB_E_none) && (failed != 0) == (rest == NULL));

    json_t *whole = json_loadb(body, size, JSON_REJECT_DUPLICATES, &je);
    must(!(whole && syntax(e.code)) || memchr(body, 0, size));
    must(failed || whole || strstr(je.text, "too big")); /* 1e20 written as a whole number */
    for (size_t i = 0; !failed && whole && i < inputs.n; i++) {
        const json_t *in = json_object_get(whole, "inputs");
        const char *name = inputs.v[i].name;
        compare(json_is_array(in) ? json_array_get(in, strtoul(name, NULL, 10)) : json_object_get(in, name),
                &inputs.v[i].t, &a);
    }
    json_decref(whole);
    json_decref(rest);
    nb_arena_done(&a);
    free(body);
    return 0;
}
