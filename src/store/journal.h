/* journal.h - what a job has done so far: a file of numbered records that only grows.
 *
 * A record is written in one piece with its checksum. After kill -9 the whole records are there and a torn one at the
 * end is cut off; after a loss of power perhaps the last second is missing. The disk failing is not an error of the
 * job: nothing more is kept then, and a later run computes it again. */
#ifndef NABLA_JOURNAL_H
#define NABLA_JOURNAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nb_journal {
    int fd;         /* -1: nothing is kept */
    int64_t at;     /* the record that is read next */
    int64_t end;    /* behind the last whole record */
    int64_t synced; /* milliseconds: when it was last made durable */
    char note[512]; /* the last note; "" is none */
};

/* Opens the file, or makes it, and cuts off what is not whole. Records of another signature are forgotten: they were
 * written by a program, or on a machine, whose numbers are others. */
void nb_journal_open(struct nb_journal *j, int directory, const char *name, const char *signature);
void nb_journal_close(struct nb_journal *j);

/* The next record, if it has this number and size. */
bool nb_journal_read(struct nb_journal *j, uint64_t number, void *bytes, size_t n);
/* One more at the end. */
void nb_journal_write(struct nb_journal *j, uint64_t number, const void *bytes, size_t n);
/* True, at most once a second: time to leave a note. */
bool nb_journal_due(const struct nb_journal *j);
/* A note is a text that nobody reads back but nb_journal_open; with it all records become durable. */
void nb_journal_note(struct nb_journal *j, const char *text);

#endif
