/* course.h - assignments, the challenges drawn for them, and what was handed in. A call that returns 0 has its change
 * on disk.
 *
 * `now` is always the caller's: seconds since 1970. What it has once been too late for stays too late, whatever comes
 * later as `now`; only a new closing time opens an assignment again. */
#ifndef NABLA_COURSE_H
#define NABLA_COURSE_H
#include "nabla/rng.h"
#include "store/keys.h"

enum { NB_TASK_NAME = 64 + 1, NB_COURSE_ID = 3 + 32 + 1, NB_COMMITMENT = 64 + 1 };

struct nb_assignment {
    char name[NB_TASK_NAME];
    char owner[NB_LABEL]; /* the teacher */
    int64_t created, updated;
    int64_t opens;        /* 0: at once */
    int64_t closes, ends; /* from then on late; refused. 0: never */
    int64_t tries;        /* 0: not said, 1000 */
    int64_t challenge_seconds;
    bool late, over;     /* seen once: `closes`, `ends` are past */
    uint8_t secret[32];  /* what challenges are drawn from; never leaves the service */
    const char *text;    /* all a teacher said, as JSON; NULL in lists */
    int64_t submissions; /* how many there are */
};

struct nb_challenge {
    char id[NB_COURSE_ID], assignment[NB_TASK_NAME];
    char key[NB_KEY_ID], student[NB_LABEL]; /* the key it was given to, and whom it is for */
    int64_t attempt;                        /* 1, 2, ... of this student at this assignment */
    int64_t created, expires;
    bool expired;                   /* seen once */
    bool used;                      /* answered */
    char commitment[NB_COMMITMENT]; /* "" is none */
};

struct nb_handed_in {
    char id[NB_COURSE_ID], challenge[NB_COURSE_ID], assignment[NB_TASK_NAME], student[NB_LABEL];
    int64_t number; /* in the order of coming, over all assignments */
    int64_t attempt, received;
    bool late;
    bool counted; /* uses up a try */
    double score, max_score;
    char verdict[16];
    char commitment[NB_COMMITMENT]; /* of the challenge; only read */
    char hash[65];                  /* SHA-256 of the body */
    const char *type;               /* of the body */
    const void *body;
    size_t size;
    const char *result; /* JSON */
};

/* 128 bits of HMAC-SHA-256(secret, student, 0, attempt in decimal). */
struct nb_seed nb_challenge_seed(const uint8_t secret[32], const char *student, int64_t attempt);

/* Fills in the secret and `created`. bad_name, assignment_exists, limit. */
int nb_store_assignment_add(struct nb_store *s, struct nb_assignment *a, int64_t now, struct nb_error *e);
/* All but the name, the owner and the secret; times that are to come make it open again. */
int nb_store_assignment_change(struct nb_store *s, struct nb_assignment *a, int64_t now, struct nb_error *e);
/* The text lies in the arena. unknown_assignment. */
int nb_store_assignment_get(struct nb_store *s, const char *name, struct nb_arena *arena, struct nb_assignment *a,
                            struct nb_error *e);
int nb_store_assignment_list(struct nb_store *s, struct nb_arena *arena, struct nb_assignment **list, size_t *n,
                             struct nb_error *e);
/* With all challenges; assignment_in_use if something was handed in and `with_submissions` is false. */
int nb_store_assignment_remove(struct nb_store *s, const char *name, bool with_submissions, struct nb_error *e);

/* How an assignment stands at this time. */
enum nb_stage { NB_STAGE_EARLY, NB_STAGE_OPEN, NB_STAGE_LATE, NB_STAGE_OVER };
enum nb_stage nb_assignment_stage(const struct nb_assignment *a, int64_t now);

/* The student's open challenge with this key, if there is one, else a new one. Of *c the key, the student and the
 * commitment are read.
 * not_open_yet, closed, no_tries, challenge_open (with another commitment), unknown_assignment. */
int nb_store_challenge_take(struct nb_store *s, const char *assignment, int64_t now, struct nb_challenge *c,
                            struct nb_error *e);
int nb_store_challenge_get(struct nb_store *s, const char *id, struct nb_challenge *c, struct nb_error *e);
/* The last one of this student that is not answered, or if all are the last. unknown_challenge. */
int nb_store_challenge_last(struct nb_store *s, const char *assignment, const char *student, struct nb_challenge *c,
                            struct nb_error *e);
int nb_store_tries_used(struct nb_store *s, const char *assignment, const char *student, int64_t *used,
                        struct nb_error *e);

/* Takes what was handed in, once: the id and the number are filled in. Two at a time: one is taken. If the challenge
 * was answered with the same bytes, *x becomes what is stored and *again true; else challenge_used. no_tries. */
int nb_store_submission_add(struct nb_store *s, struct nb_handed_in *x, struct nb_arena *arena, bool *again,
                            struct nb_error *e);
/* With body and result in the arena. By its id or that of its challenge; unknown_submission. */
int nb_store_submission_get(struct nb_store *s, const char *id, struct nb_arena *arena, struct nb_handed_in *x,
                            struct nb_error *e);
/* Those of an assignment with numbers above `after`, at most `most`, in order; student NULL: of all. Without bodies;
 * results only if wanted. */
int nb_store_submission_list(struct nb_store *s, const char *assignment, const char *student, int64_t after,
                             int64_t most, bool results, struct nb_arena *arena, struct nb_handed_in **list, size_t *n,
                             struct nb_error *e);
/* Graded anew: result, score, max_score, verdict, counted. */
int nb_store_submission_regrade(struct nb_store *s, const struct nb_handed_in *x, struct nb_error *e);

#endif
