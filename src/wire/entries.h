/* entries.h - the numbers in files of tensors: copied out of where they lie unaligned, made wider where needed. */
#ifndef NABLA_ENTRIES_H
#define NABLA_ENTRIES_H
#include <stddef.h>
#include <stdint.h>

/* Copies n entries, little-endian. Returns how many were good; only u64 (over 2^63 - 1) and bool (over 1) can be bad.
 */
typedef size_t nb_entries(void *to, const uint8_t *from, size_t n);
nb_entries nb_entries_4, nb_entries_8;      /* float, double and int64_t as they are */
nb_entries nb_entries_f16, nb_entries_bf16; /* to float */
nb_entries nb_entries_i8, nb_entries_i16, nb_entries_i32, nb_entries_u8, nb_entries_u16, nb_entries_u32, nb_entries_u64,
    nb_entries_bool; /* to int64_t */

#endif
