/* machine.h - what the system says of the processor and the memory that a process may use.
 *
 * It is read below `root`, "" for the machine itself or the folder of a made-up one. */
#ifndef TOOLS_COMMON_MACHINE_H
#define TOOLS_COMMON_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

struct machine {
    char processor[128];             /* "" where the system does not say */
    int n_cpus;                      /* that the process may use */
    int n_cores, n_fast;             /* physical ones among these; performance cores of them */
    int cpu_limit;                   /* CPUs whose time the control group grants, rounded up; 0: no limit */
    char governor[32];               /* of the clock; "" where there is none to be seen */
    double hertz, most_hertz;        /* of the fastest CPU now, and at most; 0 where the system does not say */
    uint64_t memory, available;      /* bytes: all, and what can be had without swapping */
    uint64_t swap_used;              /* bytes */
    uint64_t group_limit, group_free; /* of the control group, and what is left of it, bytes; 0, 0: no limit */
    char huge_pages[16];             /* "always", "madvise", "never"; "" where the system has none */
    uint64_t lock_limit;             /* bytes that may be locked; UINT64_MAX: any number */
};

void machine_read(struct machine *m, const char *root);
/** What a program can have, bytes: the less of what the system and the control group have left. */
uint64_t machine_room(const struct machine *m);

#endif
