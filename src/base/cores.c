/* cores.c - cores from Linux' /sys, the limit of the control group, and threads onto cores. */
#include "src/base/cores.h"

#include "src/base/error.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_LIST = CPU_SETSIZE, MAX_LINE = 8192 };

/* ---- Files ---- */

/* The first line of root/PATH, without its newline; false if there is no such file. */
__attribute__((format(printf, 4, 5)))
static bool read_line(char *line, size_t room, const char *root, const char *format, ...)
{
    char path[1024];
    va_list args;
    va_start(args, format);
    const size_t n = (size_t)snprintf(path, sizeof path, "%s/", root);
    const int more = n < sizeof path ? vsnprintf(path + n, sizeof path - n, format, args) : -1;
    va_end(args);
    FILE *f = more >= 0 && (size_t)more < sizeof path - n ? fopen(path, "re") : NULL;
    if (!f)
        return false;
    const bool good = fgets(line, (int)room, f) != NULL;
    fclose(f);
    if (good)
        line[strcspn(line, "\n")] = 0;
    return good;
}

/* A list of CPUs in a file; 0 if there is none. */
static int read_list(int *cpus, const char *root, const char *path)
{
    char line[MAX_LINE];
    const int n = read_line(line, sizeof line, root, "%s", path) ? cpu_list_parse(line, cpus, MAX_LIST) : 0;
    return n < 0 ? 0 : n;
}

int cpu_list_parse(const char *text, int *cpus, int max)
{
    int n = 0;
    if (!*text)
        return -1;
    for (const char *at = text;; at++) {
        char *end;
        if (*at < '0' || *at > '9')
            return -1;
        const long first = strtol(at, &end, 10);
        long last = first;
        if (*end == '-') {
            at = end + 1;
            if (*at < '0' || *at > '9')
                return -1;
            last = strtol(at, &end, 10);
        }
        if (last < first || last >= CPU_SETSIZE)
            return -1;
        for (long cpu = first; cpu <= last && n < max; cpu++)
            cpus[n++] = (int)cpu;
        if (!*end)
            return n;
        if (*end != ',')
            return -1;
        at = end;
    }
}

/* ---- The control group's limit ---- */

/* CPUs' worth of time that one control group grants, HUGE_VAL if all. Version 2 has both numbers in one file. */
static double group_limit(const char *root, const char *mount, const char *group)
{
    char line[128];
    double quota = 0, period = 0;
    if (read_line(line, sizeof line, root, "sys/fs/cgroup/%s%s/cpu.max", mount, group)) {
        if (sscanf(line, "%lf %lf", &quota, &period) != 2)
            return HUGE_VAL; /* "max 100000" */
    } else {
        if (read_line(line, sizeof line, root, "sys/fs/cgroup/%s%s/cpu.cfs_quota_us", mount, group))
            quota = atof(line);
        if (read_line(line, sizeof line, root, "sys/fs/cgroup/%s%s/cpu.cfs_period_us", mount, group))
            period = atof(line);
    }
    return quota > 0 && period > 0 ? quota / period : HUGE_VAL;
}

/* The least that a group and those above it grant. Inside a container the paths that lead to it from outside may not
 * exist, and the mount point is the container's own group. */
static double path_limit(const char *root, const char *mount, const char *path)
{
    char group[512];
    snprintf(group, sizeof group, "%s", path);
    double least = HUGE_VAL;
    for (;;) {
        least = fmin(least, group_limit(root, mount, group));
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = 0;
    }
}

static bool lists(const char *words, const char *word)
{
    const size_t length = strlen(word);
    for (;; words++) {
        const size_t n = strcspn(words, ",");
        if (n == length && !memcmp(words, word, n))
            return true;
        words += n;
        if (!*words)
            return false;
    }
}

/* Lines are "4:cpu,cpuacct:/path" in version 1 and "0::/path" in version 2. */
static int read_limit(const char *root)
{
    static const char *const mounts[2][2] = { { "cpu", "cpu,cpuacct" }, { "", "unified" } };
    char line[1024];
    snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
    FILE *f = fopen(line, "re");
    double least = HUGE_VAL;
    while (f && fgets(line, sizeof line, f)) {
        char *controllers = strchr(line, ':'), *path = controllers ? strchr(++controllers, ':') : NULL;
        if (!path)
            continue;
        *path++ = 0;
        path[strcspn(path, "\n")] = 0;
        for (int i = 0; i < 2 && (!*controllers || lists(controllers, "cpu")); i++)
            least = fmin(least, path_limit(root, mounts[!*controllers][i], path));
    }
    if (f)
        fclose(f);
    return least < CPU_SETSIZE ? (int)ceil(least) : 0;
}

/* ---- Cores ---- */

/* How fast each CPU is, from the first source that the system has: Intel's two kinds of cores, the scheduler's measure,
 * the highest clock. */
static void read_speeds(int speed[CPU_SETSIZE], const char *root, const cpu_set_t *allowed)
{
    int list[MAX_LIST];
    const int n_slow = read_list(list, root, "sys/devices/cpu_atom/cpus");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        speed[cpu] = n_slow ? 2 : 0;
    for (int i = 0; i < n_slow; i++)
        speed[list[i]] = 1;
    static const char *const sources[] = { "cpu_capacity", "cpufreq/cpuinfo_max_freq" };
    bool found = n_slow > 0;
    for (size_t i = 0; i < sizeof sources / sizeof *sources && !found; i++)
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            char line[32];
            if (CPU_ISSET(cpu, allowed) &&
                read_line(line, sizeof line, root, "sys/devices/system/cpu/cpu%d/%s", cpu, sources[i])) {
                speed[cpu] = atoi(line);
                found = true;
            }
        }
}

static void read_nodes(int node_of[CPU_SETSIZE], const char *root)
{
    char line[MAX_LINE], path[64];
    int nodes[MAX_LIST], cpus[MAX_LIST];
    memset(node_of, 0, CPU_SETSIZE * sizeof *node_of);
    const int n_nodes = read_line(line, sizeof line, root, "sys/devices/system/node/online")
                            ? cpu_list_parse(line, nodes, MAX_LIST) : 0;
    for (int i = 0; i < n_nodes; i++) {
        snprintf(path, sizeof path, "sys/devices/system/node/node%d/cpulist", nodes[i]);
        for (int n = read_list(cpus, root, path); n-- > 0;)
            node_of[cpus[n]] = nodes[i];
    }
}

/* The lowest of the CPUs that share a core with this one. */
static int core_id(const char *root, int cpu)
{
    char line[MAX_LINE];
    int siblings[MAX_LIST], id = cpu;
    int n = read_line(line, sizeof line, root, "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu)
                ? cpu_list_parse(line, siblings, MAX_LIST) : 0;
    while (n-- > 0)
        id = siblings[n] < id ? siblings[n] : id;
    return id;
}

static bool goes_before(const struct core *a, const struct core *b)
{
    if (a->speed != b->speed)
        return a->speed > b->speed;
    return a->node != b->node ? a->node < b->node : a->id < b->id;
}

static void insert(struct cores *c, const struct core *new)
{
    int at = c->n++;
    for (; at > 0 && goes_before(new, &c->core[at - 1]); at--)
        c->core[at] = c->core[at - 1];
    c->core[at] = *new;
}

/* Cores of one kind differ by some per cent in their clocks, kinds by more. */
static void count_fast(struct cores *c)
{
    c->n_fast = 0;
    while (c->n_fast < c->n && c->core[c->n_fast].speed >= c->core[0].speed * 0.8)
        c->n_fast++;
}

void cores_read(struct cores *c, const char *root, const cpu_set_t *allowed)
{
    int speed[CPU_SETSIZE], node[CPU_SETSIZE];
    bool seen[CPU_SETSIZE] = { false };
    read_speeds(speed, root, allowed);
    read_nodes(node, root);
    c->n = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        c->id_of[cpu] = -1;
        if (!CPU_ISSET(cpu, allowed))
            continue;
        const int id = c->id_of[cpu] = core_id(root, cpu);
        if (!seen[id])
            insert(c, &(struct core){ id, node[cpu], speed[cpu] });
        seen[id] = true;
    }
    if (!c->n)
        insert(c, &(struct core){ 0 });
    count_fast(c);
    c->limit = read_limit(root);
}

static int node_of(const struct cores *c, int cpu)
{
    const int id = cpu >= 0 && cpu < CPU_SETSIZE ? c->id_of[cpu] : -1;
    for (int i = 0; i < c->n; i++)
        if (c->core[i].id == id)
            return c->core[i].node;
    return c->core[0].node;
}

void cores_isolate(struct cores *c, int cpu)
{
    const int node = node_of(c, cpu);
    int n = 0;
    for (int i = 0; i < c->n; i++)
        if (c->core[i].node == node)
            c->core[n++] = c->core[i];
    c->n = n;
    count_fast(c);
}

int cores_default_threads(const struct cores *c, const char *affinity)
{
    int cpus[MAX_LIST];
    const int listed = affinity ? cpu_list_parse(affinity, cpus, MAX_LIST) : -1;
    if (listed > 0)
        return listed;
    return c->limit && c->limit < c->n ? c->limit : c->n;
}

/* ---- Threads onto cores ---- */

/* Add the CPUs of the cores [0, n) that are of a node, -1 for any, to a mask. */
static void add_cores(const struct cores *c, int n, int node, cpu_set_t *mask)
{
    for (int i = 0; i < n; i++)
        for (int cpu = 0; cpu < CPU_SETSIZE && (node < 0 || c->core[i].node == node); cpu++)
            if (c->id_of[cpu] == c->core[i].id)
                CPU_SET(cpu, mask);
}

static infer_status assign_list(const struct cores *c, const char *list, int n_threads, cpu_set_t *masks,
                                infer_error *err)
{
    int cpus[MAX_LIST];
    const int n = cpu_list_parse(list, cpus, MAX_LIST);
    if (n < 0)
        return fail(err, INFER_E_ARGUMENT, "affinity is \"%.64s\", expected none, compact or a list such as 0,2,4-7",
                    list);
    if (n < n_threads)
        return fail(err, INFER_E_ARGUMENT, "affinity \"%.64s\" names %d CPUs, but there are %d threads", list, n,
                    n_threads);
    for (int i = 0; i < n_threads; i++) {
        if (c->id_of[cpus[i]] < 0)
            return fail(err, INFER_E_ARGUMENT, "affinity names CPU %d, which this process may not use", cpus[i]);
        CPU_SET(cpus[i], &masks[i]);
    }
    return INFER_OK;
}

/* The nodes that have cores, that of `cpu` first. */
static int list_nodes(const struct cores *c, int cpu, int *nodes)
{
    int n = 0;
    nodes[n++] = node_of(c, cpu);
    for (int i = 0; i < c->n; i++) {
        int k = 0;
        while (k < n && nodes[k] != c->core[i].node)
            k++;
        if (k == n)
            nodes[n++] = c->core[i].node;
    }
    return n;
}

/* The core number i (counted around) of a node. */
static const struct core *core_on_node(const struct cores *c, int node, int i)
{
    int n = 0;
    for (int k = 0; k < c->n; k++)
        n += c->core[k].node == node;
    i %= n;
    for (int k = 0;; k++)
        if (c->core[k].node == node && i-- == 0)
            return &c->core[k];
}

infer_status cores_assign(const struct cores *c, const char *affinity, infer_numa numa, int cpu, int n_threads,
                          cpu_set_t *masks, infer_error *err)
{
    const bool free = !affinity || !*affinity || !strcmp(affinity, "none");
    int nodes[CPU_SETSIZE];
    const int n_nodes = list_nodes(c, cpu, nodes);
    memset(masks, 0, (size_t)n_threads * sizeof *masks);
    if (!free && strcmp(affinity, "compact"))
        return assign_list(c, affinity, n_threads, masks, err);
    for (int i = 0, last = -1, of_node = 0; i < n_threads; i++) {
        const int node = numa == INFER_NUMA_DISTRIBUTE ? nodes[i * n_nodes / n_threads] : -1;
        of_node = node == last ? of_node + 1 : 0;
        last = node;
        const struct core *core = node < 0 ? &c->core[i % c->n] : core_on_node(c, node, of_node);
        if (!free)
            for (int k = 0; k < CPU_SETSIZE; k++)
                if (c->id_of[k] == core->id)
                    CPU_SET(k, &masks[i]);
        if (free && numa != INFER_NUMA_NONE)
            add_cores(c, c->n, core->node, &masks[i]);
        if (free && numa == INFER_NUMA_NONE && n_threads <= c->n_fast && c->n_fast < c->n)
            add_cores(c, c->n_fast, -1, &masks[i]);
    }
    return INFER_OK;
}
