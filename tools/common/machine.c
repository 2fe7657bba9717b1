/* machine.c - files of Linux below /proc and /sys. It needs src/base for the cores, as the library counts them. */
#include "tools/common/machine.h"

#include "src/base/cores.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { ROOM_LINE = 512 };

/* The first line of a file without its end; false if there is none. */
__attribute__((format(printf, 3, 4)))
static bool read_line(char line[ROOM_LINE], const char *root, const char *format, ...)
{
    char path[1024];
    const int n = snprintf(path, sizeof path, "%s/", root);
    va_list args;
    va_start(args, format);
    vsnprintf(path + n, sizeof path - (size_t)n, format, args);
    va_end(args);
    FILE *f = fopen(path, "re");
    const bool read = f && fgets(line, ROOM_LINE, f);
    if (f)
        fclose(f);
    if (read)
        line[strcspn(line, "\n")] = 0;
    return read;
}

/* The number behind `name` and a colon or a blank in a file of such lines; 0 if there is none. */
static double find_number(const char *root, const char *file, const char *name)
{
    char path[1024], line[ROOM_LINE];
    const size_t n = strlen(name);
    double value = 0;
    snprintf(path, sizeof path, "%s/%s", root, file);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, n) && line[n] && strchr(" \t:", line[n])) {
            value = atof(line + n + strspn(line + n, " \t:"));
            break;
        }
    if (f)
        fclose(f);
    return value;
}

/* ---- Processor ---- */

static void read_processor(struct machine *m, const char *root)
{
    char path[1024], line[ROOM_LINE];
    snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
    FILE *f = fopen(path, "re");
    while (f && !m->processor[0] && fgets(line, sizeof line, f))
        if (sscanf(line, "model name : %127[^\n]", m->processor) != 1)
            m->processor[0] = 0;
    if (f)
        fclose(f);
}

static void read_clock(struct machine *m, const char *root, const cpu_set_t *allowed)
{
    char line[ROOM_LINE];
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, allowed))
            continue;
        if (read_line(line, root, "sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", cpu) &&
            1e3 * atof(line) > m->hertz)
            m->hertz = 1e3 * atof(line);
        if (read_line(line, root, "sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu) &&
            1e3 * atof(line) > m->most_hertz)
            m->most_hertz = 1e3 * atof(line);
        if (!m->governor[0] && read_line(line, root, "sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu))
            snprintf(m->governor, sizeof m->governor, "%.31s", line);
    }
    if (!(m->hertz > 0))
        m->hertz = 1e6 * find_number(root, "proc/cpuinfo", "cpu MHz");
}

static void read_cores(struct machine *m, const char *root)
{
    cpu_set_t allowed;
    static struct cores cores; /* large */
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        CPU_SET(0, &allowed);
    cores_read(&cores, root, &allowed);
    m->n_cpus = CPU_COUNT(&allowed);
    m->n_cores = cores.n;
    m->n_fast = cores.n_fast;
    m->cpu_limit = cores.limit;
    read_clock(m, root, &allowed);
}

/* ---- Memory ---- */

/* Of one group; a limit that is larger than any memory is none, as version 1 says it. */
static void limit_group(struct machine *m, const char *root, const char *group, const char *limit, const char *used)
{
    char line[ROOM_LINE], file[768];
    if (!read_line(line, root, "%s/%s", group, limit) || !strcmp(line, "max"))
        return;
    const uint64_t most = strtoull(line, NULL, 10);
    if (!most || (m->memory && most >= m->memory))
        return;
    snprintf(file, sizeof file, "%s/memory.stat", group);
    double taken = read_line(line, root, "%s/%s", group, used) ? atof(line) : 0;
    taken -= find_number(root, file, "inactive_file"); /* files that it can let go of */
    const uint64_t left = taken > (double)most ? 0 : most - (uint64_t)(taken > 0 ? taken : 0);
    if (!m->group_limit || most < m->group_limit)
        m->group_limit = most;
    if (m->group_limit == most || left < m->group_free)
        m->group_free = left;
}

/* The group, and those above it. Inside a container its path may not exist, and the mount point is the group. */
static void read_group(struct machine *m, const char *root, const char *mount, char *path, const char *limit,
                       const char *used)
{
    char group[700];
    for (;;) {
        snprintf(group, sizeof group, "%s%.500s", mount, path);
        limit_group(m, root, group, limit, used);
        char *slash = strrchr(path, '/');
        if (!slash)
            return;
        *slash = 0;
    }
}

/* Lines are "4:memory:/path" in version 1 and "0::/path" in version 2. */
static void read_groups(struct machine *m, const char *root)
{
    char path[1024], line[ROOM_LINE];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        char *names = strchr(line, ':'), *group = names ? strchr(++names, ':') : NULL;
        if (!group)
            continue;
        *group++ = 0;
        group[strcspn(group, "\n")] = 0;
        if (!*names)
            read_group(m, root, "sys/fs/cgroup", group, "memory.max", "memory.current");
        else if (!strcmp(names, "memory"))
            read_group(m, root, "sys/fs/cgroup/memory", group, "memory.limit_in_bytes", "memory.usage_in_bytes");
    }
    if (f)
        fclose(f);
}

static void read_memory(struct machine *m, const char *root)
{
    static const char file[] = "proc/meminfo";
    struct rlimit lock;
    char line[ROOM_LINE];
    m->memory = (uint64_t)(1024 * find_number(root, file, "MemTotal"));
    m->available = (uint64_t)(1024 * find_number(root, file, "MemAvailable"));
    m->swap_used = (uint64_t)(1024 * (find_number(root, file, "SwapTotal") - find_number(root, file, "SwapFree")));
    const bool limited = getrlimit(RLIMIT_MEMLOCK, &lock) == 0 && lock.rlim_cur != RLIM_INFINITY;
    m->lock_limit = limited ? lock.rlim_cur : UINT64_MAX;
    /* "always [madvise] never" */
    if (read_line(line, root, "sys/kernel/mm/transparent_hugepage/enabled") && strchr(line, '['))
        sscanf(strchr(line, '['), "[%15[^]]", m->huge_pages);
}

void machine_read(struct machine *m, const char *root)
{
    *m = (struct machine){ .n_cpus = 1 };
    read_processor(m, root);
    read_cores(m, root);
    read_memory(m, root);
    read_groups(m, root);
}

uint64_t machine_room(const struct machine *m)
{
    return m->group_limit && m->group_free < m->available ? m->group_free : m->available;
}
