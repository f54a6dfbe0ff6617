/* csv.h - tables of numbers as text: commas between, a line for each row, names in the first or none. */
#ifndef NABLA_CSV_H
#define NABLA_CSV_H
#include "nabla/tensor.h"

enum nb_csv_head { NB_CSV_SEE, NB_CSV_NAMES, NB_CSV_NONE }; /* is the first line names? See: if it has no numbers */

struct nb_csv {
    enum nb_csv_head head;
    /* Which columns make which tensors: "x:0-63,y:64", by number from 0 or by name; a single one makes a vector,
     * several a matrix. NULL: each its own, called as the first line says or column_0, column_1, ... */
    const char *columns;
};

/* Tensors of NB_F64. `text` has n bytes and one NUL behind. Fields may stand in quotes; empty lines are passed over.
 * Errors have line and column: bad_file (another number of fields), bad_number (text, NaN, nothing at all); or, at
 * /columns, bad_parameter; limit. */
int nb_csv_read(const char *text, size_t n, const struct nb_csv *how, struct nb_arena *a, struct nb_tensors *out,
                struct nb_error *e);

#endif
