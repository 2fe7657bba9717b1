/* cores.h - which processor cores there are, and which of them each thread of a pool may use.
 *
 * What the system says is read below `root`, "" for the machine itself or the folder of a made-up one. */
#ifndef BASE_CORES_H
#define BASE_CORES_H

#include "infer.h"

#include <sched.h>

/** Cores that the process may use: the fastest first, then node by node, then by number. */
struct cores {
    int n;      /* physical cores, at least 1 */
    int n_fast; /* of these the performance cores; n where all are alike */
    int limit;  /* CPUs whose time the control group grants, rounded up; 0 = no limit */
    struct core {
        int id;    /* its lowest CPU, allowed or not */
        int node;  /* of memory */
        int speed; /* compares cores of one machine; 0 = unknown */
    } core[CPU_SETSIZE];
    int id_of[CPU_SETSIZE]; /* of each CPU the core it is part of, -1: not to be used */
};

void cores_read(struct cores *c, const char *root, const cpu_set_t *allowed);
/** Leave only the cores of the node that has this CPU. */
void cores_isolate(struct cores *c, int cpu);
/** Threads to use where nobody says how many: those of a list, else one per core, and no more than the control group
 *  can run at once. */
int cores_default_threads(const struct cores *c, const char *affinity);

/** The CPUs on which each thread may run, masks[n_threads]; an empty one: wherever the system likes.
 *  @param affinity As in infer_context_options.
 *  @param cpu      Where the caller is; INFER_NUMA_DISTRIBUTE begins with its node. */
infer_status cores_assign(const struct cores *c, const char *affinity, infer_numa numa, int cpu, int n_threads,
                          cpu_set_t *masks, infer_error *err);

/** The numbers of a list such as "0-3,8", in its order; how many there are, at most max, -1 if it is no such list. */
int cpu_list_parse(const char *text, int *cpus, int max);

#endif
