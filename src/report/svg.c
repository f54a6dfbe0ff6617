/* svg.c - what pictures are made of. */
#include "report/svg.h"
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char STYLE[] =
    ".b{fill:#fff;stroke:#d0d7de}text{fill:#24292f;font-size:13px}.t{font-size:18px;font-weight:600}\n"
    ".m{text-anchor:middle}.e{text-anchor:end}.i{font-style:italic}.q{fill:#57606a}\n"
    ".g{stroke:#eaeef2}.a{stroke:#8c959f}.f{fill:none;stroke:#d0d7de}\n"
    ".l{fill:none;stroke-width:2.4;stroke-linejoin:round;stroke-linecap:round}\n"
    "@media (prefers-color-scheme:dark){.b{fill:#0d1117;stroke:#30363d}text{fill:#e6edf3}.q{fill:#9da7b3}\n"
    ".g{stroke:#21262d}.a{stroke:#6e7681}.f{stroke:#30363d}}\n";

void nb_svg_put(struct nb_svg *s, const char *fmt, ...)
{
    char buf[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    nb_put(s->t, buf, s->e);
}

void nb_svg_text(struct nb_svg *s, const char *text)
{
    for (; *text; text++)
        if (*text == '<' || *text == '>' || *text == '&')
            nb_put(s->t, *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : "&amp;", s->e);
        else if ((unsigned char)*text >= ' ')
            nb_putn(s->t, text, 1, s->e);
}

void nb_svg_label(struct nb_svg *s, const char *class, double x, double y, const char *text)
{
    nb_svg_put(s, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
    nb_svg_text(s, text);
    nb_svg_put(s, "</text>\n");
}

void nb_svg_line(struct nb_svg *s, const char *class, double x1, double y1, double x2, double y2)
{
    nb_svg_put(s, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2);
}

void nb_svg_begin(struct nb_svg *s, double width, double height, const char *style)
{
    nb_svg_put(s,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
               "font-family=\"system-ui,'DejaVu Sans',sans-serif\">\n<style>\n",
               width, height, width, height);
    nb_put(s->t, STYLE, s->e);
    nb_put(s->t, style, s->e);
    nb_svg_put(s, "</style>\n<rect class=\"b\" x=\"0.5\" y=\"0.5\" width=\"%.0f\" height=\"%.0f\" rx=\"8\"/>\n",
               width - 1, height - 1);
}

double nb_svg_width(const char *text)
{
    double n = 0;
    for (; *text; text++)
        n += (*text & 0xC0) != 0x80; /* not the bytes behind the first */
    return n;
}

char *nb_svg_power_of_ten(int exponent, char *buf, size_t size)
{
    static const char *const raised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    int n = abs(exponent);
    snprintf(buf, size, "10%s%s%s%s", exponent < 0 ? "⁻" : "", n > 99 ? raised[n / 100] : "",
             n > 9 ? raised[n / 10 % 10] : "", raised[n % 10]);
    return buf;
}

char *nb_svg_number(double v, int digits, char *buf, size_t size)
{
    char text[40], power[32], *e;
    if (!isfinite(v)) {
        snprintf(buf, size, "%s", isnan(v) ? "not a number" : v > 0 ? "infinity" : "minus infinity");
        return buf;
    }
    snprintf(text, sizeof text, "%.*g", digits, fabs(v));
    if ((e = strchr(text, 'e'))) {
        nb_svg_power_of_ten(atoi(e + 1), power, sizeof power);
        *e = 0;
    }
    snprintf(buf, size, "%s%s%s%s", v < 0 ? "−" : "", text, e ? "·" : "", e ? power : "");
    return buf;
}
