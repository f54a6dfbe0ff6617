/* clock.c - the latest time there was. */
#include "store/clock.h"
#include <stdatomic.h>
#include <time.h>

int64_t nb_clock(void)
{
    static _Atomic int64_t latest;
    int64_t now = (int64_t)time(NULL), seen = atomic_load(&latest);
    while (now > seen && !atomic_compare_exchange_weak(&latest, &seen, now))
        ;
    return now > seen ? now : seen;
}
