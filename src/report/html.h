/* html.h - pages: no scripts, nothing from elsewhere, light and dark, to print; well-formed XML, too. */
#ifndef NABLA_HTML_H
#define NABLA_HTML_H
#include "report/page.h"

/* A template: %s a text of people, escaped and isolated from what stands around it; %q one of ours or in an attribute,
 * escaped; %n an int; %p points (double), rounded; %% a percent sign. All else is written as it is. */
void nb_html(struct nb_page *p, const char *template, ...);
/* From <!DOCTYPE> to <main>, and what closes it. */
void nb_html_begin(struct nb_page *p, const char *title);
void nb_html_end(struct nb_page *p);
/* "right", "wrong", "cannot tell" with a sign, for those who see no colours. */
void nb_html_verdict(struct nb_page *p, const struct nb_told *part);
/* The class of a verdict (r, w, u), and its sign. */
const char *nb_html_class(const struct nb_told *part);
const char *nb_html_sign(const struct nb_told *part);

/* map.c: the entries of a tensor as squares. */
void nb_html_map(struct nb_page *p, const struct nb_told *part);
/* histogram.c: how the scores are spread. */
void nb_html_histogram(struct nb_page *p);

extern const char nb_html_style[];

#endif
