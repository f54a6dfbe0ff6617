/* escape.h - people's texts, made harmless for where they go. Bytes that are not UTF-8 become U+FFFD. */
#ifndef NABLA_ESCAPE_H
#define NABLA_ESCAPE_H
#include "wire/print.h"

/* For text and attributes in double quotes, of HTML and XML: & < > " ', control characters left out but for tab and
 * newline. */
int nb_put_markup(struct nb_text *t, const char *s, struct nb_error *e);
/* The same in <bdi>, so that a text that runs right to left ends where it ends. */
int nb_put_bdi(struct nb_text *t, const char *s, struct nb_error *e);
/* A field of RFC 4180; what a spreadsheet would take for a formula gets an apostrophe in front. */
int nb_put_csv(struct nb_text *t, const char *s, struct nb_error *e);
/* One word of a POSIX shell. */
int nb_put_shell(struct nb_text *t, const char *s, struct nb_error *e);
/* Literal text of reStructuredText, on one line. */
int nb_put_rst(struct nb_text *t, const char *s, struct nb_error *e);
/* One line without control characters. */
int nb_put_line(struct nb_text *t, const char *s, struct nb_error *e);

#endif
