/* html.c - templates, and what all pages have. */
#include "report/html.h"
#include <stdarg.h>
#include <string.h>

/* One directive: what it stands for. */
static void put_value(struct nb_page *p, char directive, va_list *ap)
{
    char number[16];
    switch (directive) {
    case 's':
        nb_put_bdi(p->t, va_arg(*ap, const char *), p->e);
        break;
    case 'q':
        nb_put_markup(p->t, va_arg(*ap, const char *), p->e);
        break;
    case 'n':
        snprintf(number, sizeof number, "%d", va_arg(*ap, int));
        nb_put(p->t, number, p->e);
        break;
    case 'p':
        nb_put(p->t, nb_points_text(va_arg(*ap, double), p->arena, p->e), p->e);
        break;
    default:
        nb_putn(p->t, &directive, 1, p->e);
    }
}

void nb_html(struct nb_page *p, const char *template, ...)
{
    va_list ap;
    va_start(ap, template);
    for (const char *next; (next = strchr(template, '%')); template = next + 2) {
        nb_putn(p->t, template, (size_t)(next - template), p->e);
        put_value(p, next[1], &ap);
    }
    va_end(ap);
    nb_put(p->t, template, p->e);
}

void nb_html_begin(struct nb_page *p, const char *title)
{
    nb_html(p,
            "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
            "<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
            "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>%q</title>\n<style>\n",
            title);
    nb_put(p->t, nb_html_style, p->e);
    nb_put(p->t, "</style>\n</head>\n<body>\n<main>\n", p->e);
}

void nb_html_end(struct nb_page *p)
{
    nb_put(p->t, "</main>\n</body>\n</html>\n", p->e);
}

const char *nb_html_class(const struct nb_told *part)
{
    return nb_right(part) ? "r" : nb_untold(part) ? "u" : "w";
}

const char *nb_html_sign(const struct nb_told *part)
{
    return nb_right(part) ? "✓" : nb_untold(part) ? "?" : "✗";
}

void nb_html_verdict(struct nb_page *p, const struct nb_told *part)
{
    nb_html(p, "<span class=\"badge %q\">%q %q</span>", nb_html_class(part), nb_html_sign(part),
            nb_untold(part) ? "cannot tell" : part->verdict);
}
