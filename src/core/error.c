/* error.c - errors, and their places put together step by step. */
#include "nabla/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *title;
    int status;
} rows[] = {
    {"none", "No error", 200},
#define ERROR(code, status, title) {#code, title, status},
#include "nabla/errors.def"
#undef ERROR
};

const char *nb_code_name(enum nb_code code)
{
    return rows[code].name;
}

int nb_code_status(enum nb_code code)
{
    return rows[code].status;
}

const char *nb_code_title(enum nb_code code)
{
    return rows[code].title;
}

/* The length of s without an unfinished UTF-8 character at its end. */
static size_t whole_characters(const char *s, size_t n)
{
    size_t i = n;
    while (i > 0 && n - i < 3 && ((unsigned char)s[i - 1] & 0xC0) == 0x80)
        i--;
    if (i == 0)
        return n;
    unsigned char lead = (unsigned char)s[i - 1];
    size_t wants = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return wants > n - i + 1 ? i - 1 : n;
}

int nb_fail(struct nb_error *e, enum nb_code code, const char *fmt, ...)
{
    if (e->code)
        return -1;
    e->code = code;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->detail, sizeof e->detail, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof e->detail)
        e->detail[whole_characters(e->detail, sizeof e->detail - 1)] = 0;
    return -1;
}

int nb_fail_memory(struct nb_error *e)
{
    if (e->code)
        return -1;
    e->code = NB_E_out_of_memory;
    strcpy(e->detail, "the system has no more memory for this request");
    return -1;
}

/* What no longer fits is cut from the inner end, at a step: the outer steps still point to the right place. */
static void put_in_front(struct nb_error *e, const char *front, size_t n)
{
    size_t room = sizeof e->pointer - 1, old = strlen(e->pointer);
    if (n > room || e->fixed)
        return;
    if (old > room - n) {
        old = room - n;
        while (old > 0 && e->pointer[old] != '/')
            old--;
    }
    memmove(e->pointer + n, e->pointer, old);
    memcpy(e->pointer, front, n);
    e->pointer[n + old] = 0;
}

int nb_at(struct nb_error *e, const char *step)
{
    char buf[sizeof e->pointer + 2];
    size_t n = 0;
    buf[n++] = '/';
    for (; *step && n + 2 < sizeof buf; step++) {
        if (*step == '~' || *step == '/') {
            buf[n++] = '~';
            buf[n++] = *step == '~' ? '0' : '1';
        } else {
            buf[n++] = *step;
        }
    }
    put_in_front(e, buf, n);
    return -1;
}

int nb_at_index(struct nb_error *e, size_t index)
{
    char buf[32];
    put_in_front(e, buf, (size_t)snprintf(buf, sizeof buf, "/%zu", index));
    return -1;
}

int nb_at_pointer(struct nb_error *e, const char *pointer)
{
    put_in_front(e, pointer, strlen(pointer));
    return -1;
}
