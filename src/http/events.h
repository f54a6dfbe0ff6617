/* events.h - the progress of a job as server-sent events, to many who watch. No thread waits for any of them. */
#ifndef NABLA_EVENTS_H
#define NABLA_EVENTS_H

/* Wakes those for whom there is news. Called often. */
void nb_events_tick(void);
/* Ends all streams, and begins none any more. */
void nb_events_stop(void);

#endif
