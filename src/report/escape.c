/* escape.c - people's texts, made harmless for where they go. */
#include "report/escape.h"
#include <stdlib.h>
#include <string.h>

/* ---- characters -------------------------------------------------------------------------------------------------- */

struct character {
    const char *v;
    size_t n;
};

/* No place for them in XML, and none of use in a message: controls but tab and newline, U+FFFE, U+FFFF. */
static bool unprintable(const char *s, size_t n)
{
    unsigned char a = (unsigned char)s[0], b = n > 1 ? (unsigned char)s[1] : 0, c = n > 2 ? (unsigned char)s[2] : 0;
    if (n == 1)
        return (a < ' ' && a != '\t' && a != '\n') || a == 0x7F;
    if (n == 2)
        return a == 0xC2 && b < 0xA0;
    return n == 3 && a == 0xEF && b == 0xBF && c >= 0xBE;
}

/* The next that may be shown, behind which *s moves; false at the end. */
static bool next_character(const char **s, struct character *c)
{
    while (**s) {
        size_t n = nb_utf8(*s);
        *c = n ? (struct character){*s, n} : (struct character){"\xEF\xBF\xBD", 3};
        *s += n ? n : 1;
        if (!unprintable(c->v, c->n))
            return true;
    }
    return false;
}

/* Newline, tab, and what Unicode has besides to begin a line. */
static bool breaks_line(const struct character *c)
{
    return *c->v == '\n' || *c->v == '\t' ||
           (c->n == 3 && (!memcmp(c->v, "\xE2\x80\xA8", 3) || !memcmp(c->v, "\xE2\x80\xA9", 3)));
}

/* ---- markup ------------------------------------------------------------------------------------------------------ */

int nb_put_markup(struct nb_text *t, const char *s, struct nb_error *e)
{
    static const char special[] = "&<>\"'";
    static const char *const entity[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (struct character c; next_character(&s, &c);) {
        const char *k = c.n == 1 ? strchr(special, *c.v) : NULL;
        if (k ? nb_put(t, entity[k - special], e) : nb_putn(t, c.v, c.n, e))
            return -1;
    }
    return nb_put(t, "", e);
}

int nb_put_bdi(struct nb_text *t, const char *s, struct nb_error *e)
{
    return nb_put(t, "<bdi>", e) || nb_put_markup(t, s, e) || nb_put(t, "</bdi>", e) ? -1 : 0;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static bool is_number(const char *s)
{
    char *end;
    strtod(s, &end);
    return end > s && !*end && !s[strspn(s, "+-.0123456789eE")];
}

/* The wide forms of = + - @ are read as formulas in some countries. */
static bool is_formula(const char *s)
{
    static const char *const wide[] = {"\uFF1D", "\uFF0B", "\uFF0D", "\uFF20"};
    bool found = *s && strchr("=+-@\t\r\n", *s);
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        found |= !strncmp(s, wide[i], strlen(wide[i]));
    return found && !is_number(s);
}

int nb_put_csv(struct nb_text *t, const char *s, struct nb_error *e)
{
    struct nb_text plain = {.arena = t->arena};
    for (struct character c; next_character(&s, &c);)
        if (nb_putn(&plain, c.v, c.n, e))
            return -1;
    const char *field = plain.n ? plain.v : "";
    bool quoted = strpbrk(field, "\",\n") || *field == ' ' || (plain.n && field[plain.n - 1] == ' ');
    int failed = nb_put(t, quoted ? "\"" : "", e) || nb_put(t, is_formula(field) ? "'" : "", e);
    for (; *field && !failed; field++)
        failed = nb_put(t, *field == '"' ? "\"" : "", e) || nb_putn(t, field, 1, e);
    return failed || nb_put(t, quoted ? "\"" : "", e) ? -1 : 0;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

int nb_put_shell(struct nb_text *t, const char *s, struct nb_error *e)
{
    int failed = nb_put(t, "'", e);
    for (struct character c; !failed && next_character(&s, &c);)
        failed = *c.v == '\'' ? nb_put(t, "'\\''", e) : nb_putn(t, c.v, c.n, e);
    return failed || nb_put(t, "'", e) ? -1 : 0;
}

static bool is_punctuation(const struct character *c)
{
    return c->n == 1 && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", *c->v);
}

int nb_put_rst(struct nb_text *t, const char *s, struct nb_error *e)
{
    for (struct character c; next_character(&s, &c);)
        if (nb_put(t, is_punctuation(&c) ? "\\" : "", e) ||
            (breaks_line(&c) ? nb_put(t, " ", e) : nb_putn(t, c.v, c.n, e)))
            return -1;
    return nb_put(t, "", e);
}

int nb_put_line(struct nb_text *t, const char *s, struct nb_error *e)
{
    for (struct character c; next_character(&s, &c);)
        if (breaks_line(&c) ? nb_put(t, " ", e) : nb_putn(t, c.v, c.n, e))
            return -1;
    return nb_put(t, "", e);
}
