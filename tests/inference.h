/* inference.h - what a module's infer says of shapes with sizes, symbols and sizes not known, as text. */
#ifndef NABLA_TESTS_INFERENCE_H
#define NABLA_TESTS_INFERENCE_H
#include "call.h"

static const char *const symbols[] = {"B", "T"};

/* "Bx4x?": sizes, the symbols, or not known. */
static struct nb_shape shape_of(const char *text, size_t n)
{
    struct nb_shape s = {.rank = 0};
    for (const char *end = text + n; text < end; text += *text == 'x') {
        char *rest;
        if (*text >= '0' && *text <= '9') {
            s.dim[s.rank++] = strtoll(text, &rest, 10);
            text = rest;
        } else {
            s.dim[s.rank++] = *text == 'B' ? NB_SYM(0) : *text == 'T' ? NB_SYM(1) : NB_ANY;
            text++;
        }
    }
    return s;
}

static int read_dim(void *context, const char *formula, int64_t *d, struct nb_error *e)
{
    (void)context, (void)e;
    *d = *formula == 'B' ? NB_SYM(0) : *formula == 'T' ? NB_SYM(1) : NB_ANY;
    return 0;
}

static int read_nothing(void *context, const char *formula, double *v, struct nb_error *e)
{
    (void)context, (void)formula, (void)v;
    return nb_fail(e, NB_E_internal, "no numbers here");
}

/* The shapes of the outputs as text, or "code pointer: detail". */
static const char *inferred(const char *type, const char *args, const char *in)
{
    static char text[1400];
    static const struct nb_const_scope scope = {NULL, read_dim, read_nothing};
    struct nb_arena arena;
    struct nb_error e = {0};
    struct nb_shape ins[8], outs[8];
    bool integer[8] = {false};
    const struct nb_module *m = nb_module_at(NB_F64, nb_module_find(type));
    struct nb_infer s = {.in = ins, .out = outs, .integer = integer, .symbols = symbols, .arena = &arena, .nout = 1};
    nb_arena_init(&arena, 1 << 20);
    for (size_t n;; in += n + 1) {
        n = strcspn(in, " ");
        ins[s.nin++] = shape_of(in, n);
        if (!in[n])
            break;
    }
    int ports = 0;
    while (m->inputs && m->inputs[ports].name && !(m->inputs[ports].flags & NB_VARIADIC))
        ports++;
    while (s.nin < ports) /* the others are absent */
        ins[s.nin++].rank = -1;
    json_t *j = json_loads(args ? args : "{}", 0, NULL);
    ck_assert_msg(!nb_args_read(m, j, false, &scope, &arena, &s.args, &e), "%s %s: %s", type, args, e.detail);
    json_decref(j);
    if (m->output_names)
        s.nout = (int)m->output_names(s.args).n;
    for (const char *const *o = m->outputs; o && *o; o++)
        s.nout = (int)(o - m->outputs) + 1;
    *text = 0;
    if (m->infer(&s, &e))
        snprintf(text, sizeof text, "%s %s: %s", nb_code_name(e.code), e.pointer, e.detail);
    else
        for (int i = 0; i < s.nout; i++) {
            char one[200];
            snprintf(text + strlen(text), 200, "%s%s", i ? " " : "", nb_shape_text(&outs[i], symbols, one, sizeof one));
        }
    nb_arena_done(&arena);
    return text;
}

/* in: "Bx4 4x5"; out: the shapes, or how the error begins. */
struct inference {
    const char *type, *args, *in, *out;
};

static void check_inference(const struct inference *t)
{
    const char *came = inferred(t->type, t->args, t->in), *want = t->out;
    bool ok = *want == '[' ? !strcmp(came, want) : !strncmp(came, want, strlen(want));
    ck_assert_msg(ok, "%s %s \"%s\": %s, wanted is %s", t->type, t->args ? t->args : "", t->in, came, want);
}

#endif
