/* answer.h - the reply on its way out: in one piece, or bit by bit. */
#ifndef NABLA_ANSWER_H
#define NABLA_ANSWER_H
#include "http/exchange.h"

/* Queues the reply, or the problem if there is an error. closing: the connection ends with it. */
enum MHD_Result nb_answer(struct nb_exchange *x, bool closing);
/* 503 for an exchange that a worker still has: nothing of it may be looked at. */
enum MHD_Result nb_answer_abandoned(struct MHD_Connection *c);

#endif
