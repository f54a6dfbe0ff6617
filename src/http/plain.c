/* plain.c - the formulas of the modules, out of LaTeX into a line of text: for titles of pictures. Not all of LaTeX:
 * what the rows use. Unknown commands lose their backslash. */
#include "http/curve.h"
#include <ctype.h>
#include <string.h>

struct out {
    char *v;
    size_t n, size;
};

static const struct {
    const char *command, *text;
} words[] = {
    {"alpha", "α"},   {"beta", "β"},        {"gamma", "γ"}, {"delta", "δ"},    {"varepsilon", "ε"},  {"epsilon", "ε"},
    {"lambda", "λ"},  {"mu", "μ"},          {"pi", "π"},    {"sigma", "σ"},    {"phi", "φ"},         {"Phi", "Φ"},
    {"infty", "∞"},   {"cdot", "·"},        {"odot", "⊙"},  {"times", "×"},    {"le", "≤"},          {"leq", "≤"},
    {"ge", "≥"},      {"geq", "≥"},         {"ne", "≠"},    {"neq", "≠"},      {"pm", "±"},          {"in", "∈"},
    {"sum", "Σ"},     {"prod", "Π"},        {"int", "∫"},   {"ldots", "…"},    {"dots", "…"},        {"lfloor", "⌊"},
    {"rfloor", "⌋"},  {"lceil", "⌈"},       {"rceil", "⌉"}, {"to", "→"},       {"sim", "~"},         {"quad", "   "},
    {"qquad", "   "}, {"lvert", "|"},       {"rvert", "|"}, {"left", ""},      {"right", ""},        {"bigl", ""},
    {"bigr", ""},     {"Bigl", ""},         {"Bigr", ""},   {"textstyle", ""}, {"displaystyle", ""}, {"text", ""},
    {"mathrm", ""},   {"operatorname", ""}, {"mathbf", ""}, {"tfrac", "frac"}, {"dfrac", "frac"},    {"frac", "frac"},
    {"sqrt", "√"},
};

static void put(struct out *o, const char *s, size_t n)
{
    for (; n && o->n + 1 < o->size; n--)
        o->v[o->n++] = *s++;
    o->v[o->n] = 0;
}

static void put_text(struct out *o, const char *s)
{
    put(o, s, strlen(s));
}

/* Commands are held apart from what stands before and after, as TeX would do. */
static void put_function(struct out *o, const char *name, size_t n, char next)
{
    char before = o->n ? o->v[o->n - 1] : ' ';
    if (isalnum((unsigned char)before) || before == ')')
        put(o, " ", 1);
    put(o, name, n);
    if (isalnum((unsigned char)next))
        put(o, " ", 1);
}

static const char *piece(const char *p, struct out *o);

/* One argument: {...} or one character. `wrap`: in parentheses if it is more than a name or a number. */
static const char *group(const char *p, struct out *o, bool wrap)
{
    char inner[160];
    struct out in = {inner, 0, sizeof inner};
    *inner = 0;
    p += strspn(p, " ");
    if (*p == '{') {
        for (p++; *p && *p != '}';)
            p = piece(p, &in);
        p += *p == '}';
    } else if (*p) {
        p = piece(p, &in);
    }
    wrap = wrap && strpbrk(inner, " +-*/·");
    put_text(o, wrap ? "(" : "");
    put_text(o, inner);
    put_text(o, wrap ? ")" : "");
    return p;
}

static const char *fraction(const char *p, struct out *o)
{
    p = group(p, o, true);
    put_text(o, "/");
    return group(p, o, true);
}

static const char *command(const char *p, struct out *o)
{
    size_t n = 0;
    while (isalpha((unsigned char)p[n]))
        n++;
    if (!n) { /* \, \; \! \_ \{ */
        put(o, *p == ',' || *p == ';' || *p == ' ' ? " " : p, *p && *p != '!');
        return p + (*p != 0);
    }
    const char *rest = p + n;
    while (*rest == ' ' && rest[1] != '+' && rest[1] != '-' && rest[1] != '=')
        rest++;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].command) == n && !strncmp(words[i].command, p, n)) {
            if (!strcmp(words[i].text, "frac"))
                return fraction(rest, o);
            put_text(o, words[i].text);
            return !strcmp(words[i].text, "√") ? group(rest, o, true) : p + n;
        }
    put_function(o, p, n, *rest);
    return rest;
}

/* ^2 as ², other powers with the sign. */
static const char *power(const char *p, struct out *o)
{
    static const char *const raised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    if (isdigit((unsigned char)*p)) {
        put_text(o, raised[*p - '0']);
        return p + 1;
    }
    put_text(o, "^");
    return group(p, o, true);
}

/* The next token. */
static const char *piece(const char *p, struct out *o)
{
    switch (*p) {
    case '\\':
        return command(p + 1, o);
    case '^':
        return power(p + 1, o);
    case '{':
        return group(p, o, false);
    case '}':
        return p + 1;
    default:
        put(o, *p == '-' ? "−" : p, *p == '-' ? strlen("−") : 1);
        return p + 1;
    }
}

char *nb_plain_formula(const char *latex, char *buf, size_t size)
{
    struct out o = {buf, 0, size};
    *buf = 0;
    for (const char *p = latex ? latex : ""; *p;)
        p = piece(p, &o);
    return buf;
}
