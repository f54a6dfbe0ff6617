/* parse - the formula language by recursive descent; the depth is bounded by the limit formula_nesting. */
#include "expr/formula.h"
#include "nabla/limits.h"
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARGUMENTS = 256, MAX_POSITIONAL = 16 };

struct parser {
    const char *text, *at;
    int depth;
    struct nb_arena *arena;
    struct nb_error *error;
};

static struct nb_expr *parse_compare(struct parser *p);
static struct nb_expr *parse_sign(struct parser *p);

static int column(const struct parser *p, const char *at)
{
    return (int)(at - p->text) + 1;
}

__attribute__((format(printf, 3, 4))) static struct nb_expr *fail(struct parser *p, const char *at, const char *fmt,
                                                                  ...)
{
    char what[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    nb_fail(p->error, NB_E_formula_syntax, "column %d: %s", column(p, at), what);
    return NULL;
}

static void skip(struct parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')
        p->at++;
}

/* Takes the token if it is next. */
static bool take(struct parser *p, const char *token)
{
    skip(p);
    size_t n = strlen(token);
    if (strncmp(p->at, token, n))
        return false;
    p->at += n;
    return true;
}

static const char *found(struct parser *p, char buf[40])
{
    skip(p);
    if (!*p->at)
        return "the end";
    snprintf(buf, 40, "`%c`", *p->at);
    return buf;
}

static bool is_letter(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static struct nb_expr *new_expr(struct parser *p, enum nb_expr_kind kind, const char *begin, int n)
{
    struct nb_expr *x = nb_zalloc(p->arena, 1, sizeof *x, p->error);
    if (!x || !(x->item = nb_small(p->arena, (size_t)n, sizeof *x->item, p->error)))
        return NULL;
    x->kind = kind;
    x->begin = begin;
    x->column = column(p, begin);
    x->n = n;
    return x;
}

/* One level deeper; every rule that can contain itself goes through here. */
static struct nb_expr *deeper(struct parser *p, struct nb_expr *(*rule)(struct parser *))
{
    if (++p->depth > nb_limits.formula_nesting) {
        nb_fail(p->error, NB_E_limit, "column %d: nesting is limited to %d", column(p, p->at),
                (int)nb_limits.formula_nesting);
        return NULL;
    }
    struct nb_expr *x = rule(p);
    p->depth--;
    return x;
}

static struct nb_expr *parse_number(struct parser *p)
{
    const char *begin = p->at, *s = p->at;
    while (isdigit((unsigned char)*s))
        s++;
    if (*s == '.')
        s++;
    while (isdigit((unsigned char)*s))
        s++;
    const char *e = s;
    if (*e == 'e' || *e == 'E') {
        e++;
        e += *e == '+' || *e == '-';
        if (isdigit((unsigned char)*e)) {
            while (isdigit((unsigned char)*e))
                e++;
            s = e;
        }
    }
    if (is_letter(*s)) {
        int word = 1;
        while (is_letter(s[word]) || isdigit((unsigned char)s[word]))
            word++;
        return fail(p, s, "write %.*s*%.*s", (int)(s - begin), begin, word > 40 ? 40 : word, s);
    }
    struct nb_expr *x = new_expr(p, NB_X_NUMBER, begin, 0);
    if (!x)
        return NULL;
    x->number = strtod(begin, NULL);
    if (isinf(x->number))
        return fail(p, begin, "the number is too large");
    p->at = x->end = s;
    return x;
}

static const char *parse_word(struct parser *p, bool dots)
{
    const char *begin = p->at;
    while (is_letter(*p->at) || (p->at > begin && isdigit((unsigned char)*p->at)) ||
           (dots && *p->at == '.' && p->at > begin && is_letter(p->at[1])))
        p->at++;
    return nb_strndup(p->arena, begin, (size_t)(p->at - begin), p->error);
}

static struct nb_expr *parse_list(struct parser *p)
{
    const char *begin = p->at++;
    struct nb_expr *items[MAX_POSITIONAL];
    int n = 0;
    do {
        if (n == MAX_POSITIONAL)
            return fail(p, p->at, "a list has at most %d items", MAX_POSITIONAL);
        if (!(items[n++] = deeper(p, parse_compare)))
            return NULL;
    } while (take(p, ","));
    char buf[40];
    if (!take(p, "]"))
        return fail(p, p->at, "`]` expected, found %s", found(p, buf));
    struct nb_expr *x = new_expr(p, NB_X_LIST, begin, n);
    if (x) {
        memcpy(x->item, items, (size_t)n * sizeof *items);
        x->end = p->at;
    }
    return x;
}

/* [word "="] (formula | list) */
static struct nb_expr *parse_argument(struct parser *p, const char **keyword)
{
    skip(p);
    const char *begin = p->at;
    *keyword = NULL;
    if (is_letter(*p->at)) {
        const char *word = parse_word(p, false);
        if (!word)
            return NULL;
        skip(p);
        if (*p->at == '=' && p->at[1] != '=') {
            p->at++;
            *keyword = word;
        } else {
            p->at = begin;
        }
    }
    skip(p);
    return *p->at == '[' ? parse_list(p) : deeper(p, parse_compare);
}

static struct nb_expr *parse_call(struct parser *p, const char *begin, const char *name)
{
    struct nb_expr *items[MAX_POSITIONAL + 8];
    const char *keywords[MAX_POSITIONAL + 8];
    int n = 0, positional = 0;
    if (!take(p, ")")) {
        do {
            if (positional == MAX_POSITIONAL || n == MAX_POSITIONAL + 8)
                return fail(p, p->at, "at most %d arguments", MAX_POSITIONAL);
            if (!(items[n] = parse_argument(p, &keywords[n])))
                return NULL;
            if (!keywords[n] && positional < n)
                return fail(p, items[n]->begin, "an argument without a name cannot follow a named one");
            for (int i = 0; i < n; i++)
                if (keywords[n] && keywords[i] && !strcmp(keywords[i], keywords[n]))
                    return fail(p, items[n]->begin, "%s is given twice", keywords[n]);
            positional += !keywords[n++];
        } while (take(p, ","));
        char buf[40];
        if (!take(p, ")"))
            return fail(p, p->at, "`)` expected, found %s", found(p, buf));
    }
    struct nb_expr *x = new_expr(p, NB_X_CALL, begin, n);
    if (!x || !(x->keyword = nb_small(p->arena, (size_t)n, sizeof *x->keyword, p->error)))
        return NULL;
    memcpy(x->item, items, (size_t)n * sizeof *items);
    memcpy(x->keyword, keywords, (size_t)n * sizeof *keywords);
    x->name = name;
    x->end = p->at;
    return x;
}

static struct nb_expr *parse_name(struct parser *p)
{
    const char *begin = p->at, *name = parse_word(p, true);
    if (!name)
        return NULL;
    skip(p);
    if (*p->at == '(' && !strchr(name, '.')) {
        p->at++;
        return parse_call(p, begin, name);
    }
    struct nb_expr *x = new_expr(p, NB_X_NAME, begin, 0);
    if (x) {
        x->name = name;
        x->end = begin + strlen(name);
    }
    return x;
}

static struct nb_expr *parse_atom(struct parser *p)
{
    skip(p);
    if (isdigit((unsigned char)*p->at) || (*p->at == '.' && isdigit((unsigned char)p->at[1])))
        return parse_number(p);
    if (is_letter(*p->at))
        return parse_name(p);
    char buf[40];
    if (take(p, "(")) {
        struct nb_expr *x = deeper(p, parse_compare);
        if (x && !take(p, ")"))
            return fail(p, p->at, "`)` expected, found %s", found(p, buf));
        return x;
    }
    if (*p->at && strchr("%&|!~?:;'\"{}$#\\`", *p->at))
        return fail(p, p->at, "%c is not part of the language", *p->at);
    return fail(p, p->at, "a value expected, found %s", found(p, buf));
}

static struct nb_expr *binary(struct parser *p, const char *type, const char *at, struct nb_expr *a, struct nb_expr *b)
{
    struct nb_expr *x = a && b ? new_expr(p, NB_X_BINARY, at, 2) : NULL;
    if (!x)
        return NULL;
    x->name = type;
    x->item[0] = a;
    x->item[1] = b;
    x->begin = a->begin;
    x->end = b->end;
    return x;
}

static struct nb_expr *parse_power(struct parser *p)
{
    struct nb_expr *x = parse_atom(p);
    if (!x)
        return NULL;
    skip(p);
    const char *at = p->at;
    if (take(p, "**") || take(p, "^"))
        return binary(p, "Pow", at, x, deeper(p, parse_sign));
    return x;
}

static struct nb_expr *parse_sign(struct parser *p)
{
    skip(p);
    const char *at = p->at;
    if (take(p, "+"))
        return deeper(p, parse_sign);
    if (!take(p, "-"))
        return parse_power(p);
    struct nb_expr *operand = deeper(p, parse_sign), *x = operand ? new_expr(p, NB_X_NEGATE, at, 1) : NULL;
    if (x) {
        x->item[0] = operand;
        x->end = operand->end;
    }
    return x;
}

static struct nb_expr *parse_product(struct parser *p)
{
    struct nb_expr *x = parse_sign(p);
    while (x) {
        skip(p);
        const char *at = p->at;
        const char *type = take(p, "*") ? "Mul" : take(p, "/") ? "Div" : take(p, "@") ? "MatMul" : NULL;
        if (!type)
            break;
        x = binary(p, type, at, x, parse_sign(p));
    }
    return x;
}

static struct nb_expr *parse_sum(struct parser *p)
{
    struct nb_expr *x = parse_product(p);
    while (x) {
        skip(p);
        const char *at = p->at;
        const char *type = take(p, "+") ? "Add" : take(p, "-") ? "Sub" : NULL;
        if (!type)
            break;
        x = binary(p, type, at, x, parse_product(p));
    }
    return x;
}

static const char *comparison(struct parser *p)
{
    static const char *const words[][2] = {{"<=", "LessEqual"}, {">=", "GreaterEqual"}, {"==", "Equal"},
                                           {"!=", "NotEqual"},  {"<", "Less"},          {">", "Greater"}};
    for (int i = 0; i < 6; i++)
        if (take(p, words[i][0]))
            return words[i][1];
    return NULL;
}

static struct nb_expr *parse_compare(struct parser *p)
{
    struct nb_expr *x = parse_sum(p);
    if (!x)
        return NULL;
    skip(p);
    const char *at = p->at, *type = comparison(p);
    if (!type)
        return x;
    x = binary(p, type, at, x, parse_sum(p));
    if (!x)
        return NULL;
    skip(p);
    at = p->at;
    if (comparison(p))
        return fail(p, at, "comparisons do not chain: write (a < b)*(b < c)");
    return x;
}

struct nb_expr *nb_formula_parse(const char *text, struct nb_arena *a, struct nb_error *e)
{
    struct parser p = {text, text, 0, a, e};
    size_t n = strlen(text);
    if ((int64_t)n > nb_limits.formula) {
        NB_OVER(e, formula, (int64_t)n);
        return NULL;
    }
    if (!(p.text = p.at = nb_strndup(a, text, n, e)))
        return NULL;
    struct nb_expr *x = parse_compare(&p);
    if (!x)
        return NULL;
    skip(&p);
    if (!*p.at)
        return x;
    if (strchr("%&|!~?:;'\"{}$#\\`", *p.at))
        return fail(&p, p.at, "%c is not part of the language", *p.at);
    char buf[40];
    return fail(&p, p.at, "an operator or the end expected, found %s", found(&p, buf));
}

int nb_formula_names(const struct nb_expr *x, int (*visit)(void *context, const struct nb_expr *name), void *context)
{
    int r = x->kind == NB_X_NAME ? visit(context, x) : 0;
    for (int i = 0; !r && i < x->n; i++)
        r = nb_formula_names(x->item[i], visit, context);
    return r;
}
