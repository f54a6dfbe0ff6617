/* clock.h - the time of day that never goes back: when the system's clock is put back, this one stands still until the
 * other has caught up. What has expired or closed stays so. */
#ifndef NABLA_CLOCK_H
#define NABLA_CLOCK_H
#include <stdint.h>

/* Seconds since 1970. */
int64_t nb_clock(void);

#endif
