/* test_cores.c - cores, nodes and limits as Linux tells them, in made-up systems; threads onto cores. */
#include "src/base/cores.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- Made-up systems ---- */

static char root[64];

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/test_cores.XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

/* root/PATH with one line in it. */
__attribute__((format(printf, 2, 3)))
static void put(const char *text, const char *format, ...)
{
    char path[512], command[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    snprintf(command, sizeof command, "f='%s/%s'; mkdir -p \"$(dirname \"$f\")\" && echo '%s' > \"$f\"", root, path, text);
    assert_int_equal(system(command), 0);
}

static cpu_set_t first_cpus(int n)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int cpu = 0; cpu < n; cpu++)
        CPU_SET(cpu, &set);
    return set;
}

static void read_cores(struct cores *c, int n_cpus)
{
    const cpu_set_t allowed = first_cpus(n_cpus);
    cores_read(c, root, &allowed);
}

/* n CPUs; CPU i and i + n / 2 share a core. */
static void put_siblings(int n)
{
    for (int cpu = 0; cpu < n; cpu++) {
        char list[32];
        snprintf(list, sizeof list, "%d,%d", cpu % (n / 2), cpu % (n / 2) + n / 2);
        put(list, "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    }
}

static void assert_order(const struct cores *c, const int *ids, int n)
{
    assert_int_equal(c->n, n);
    for (int i = 0; i < n; i++)
        assert_int_equal(c->core[i].id, ids[i]);
}

/* ---- Lists ---- */

static void lists_are_read_in_their_order(void **state)
{
    (void)state;
    int cpus[8];
    assert_int_equal(cpu_list_parse("0", cpus, 8), 1);
    assert_int_equal(cpus[0], 0);
    assert_int_equal(cpu_list_parse("4-6,1,10-10", cpus, 8), 5);
    const int want[] = { 4, 5, 6, 1, 10 };
    assert_memory_equal(cpus, want, sizeof want);
    assert_int_equal(cpu_list_parse("0-100", cpus, 8), 8); /* as many as there is room for */
    static const char *const wrong[] = { "", ",", "1,", "-1", "1-", "3-1", "a", "1 2", "1-2-3", "99999", "1,,2",
                                         "99999999999999999999999" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(cpu_list_parse(wrong[i], cpus, 8), -1);
}

/* ---- Cores ---- */

static void threads_of_one_core_count_as_one(void **state)
{
    (void)state;
    struct cores c;
    put_siblings(8);
    read_cores(&c, 8);
    assert_order(&c, (const int[]){ 0, 1, 2, 3 }, 4);
    assert_int_equal(c.n_fast, 4);
    assert_int_equal(c.limit, 0);
    assert_int_equal(cores_default_threads(&c, NULL), 4);
}

static void a_core_counts_if_any_of_its_threads_may_be_used(void **state)
{
    (void)state;
    struct cores c;
    put_siblings(8);
    cpu_set_t allowed = first_cpus(0);
    CPU_SET(5, &allowed);
    CPU_SET(1, &allowed);
    CPU_SET(7, &allowed);
    cores_read(&c, root, &allowed);
    assert_order(&c, (const int[]){ 1, 3 }, 2);
    cpu_set_t masks[2];
    assert_int_equal(cores_assign(&c, "compact", INFER_NUMA_NONE, 1, 2, masks, NULL), INFER_OK);
    assert_int_equal(CPU_COUNT(&masks[0]), 2); /* 1 and 5 */
    assert_true(CPU_ISSET(1, &masks[0]) && CPU_ISSET(5, &masks[0]));
    assert_int_equal(CPU_COUNT(&masks[1]), 1); /* 7, but not 3 */
    assert_true(CPU_ISSET(7, &masks[1]));
}

static void a_system_that_says_nothing_has_a_core_for_each_cpu(void **state)
{
    (void)state;
    struct cores c;
    read_cores(&c, 3);
    assert_order(&c, (const int[]){ 0, 1, 2 }, 3);
    read_cores(&c, 0);
    assert_int_equal(c.n, 1);
}

static void check_hybrid(const int *order, int n_fast)
{
    struct cores c;
    cpu_set_t masks[4];
    read_cores(&c, 4);
    assert_order(&c, order, 4);
    assert_int_equal(c.n_fast, n_fast);
    /* As many threads as performance cores stay on these, pinned or not; more may go anywhere. */
    assert_int_equal(cores_assign(&c, NULL, INFER_NUMA_NONE, 0, n_fast, masks, NULL), INFER_OK);
    for (int i = 0; i < n_fast; i++) {
        assert_int_equal(CPU_COUNT(&masks[i]), n_fast);
        for (int k = 0; k < n_fast; k++)
            assert_true(CPU_ISSET(order[k], &masks[i]));
    }
    assert_int_equal(cores_assign(&c, "none", INFER_NUMA_NONE, 0, 4, masks, NULL), INFER_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(CPU_COUNT(&masks[i]), 0);
    assert_int_equal(cores_assign(&c, "compact", INFER_NUMA_NONE, 0, 4, masks, NULL), INFER_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(CPU_COUNT(&masks[i]), 1);
        assert_true(CPU_ISSET(order[i], &masks[i]));
    }
}

static void performance_cores_go_first_by_the_kinds_that_intel_names(void **state)
{
    (void)state;
    put("2-3", "sys/devices/cpu_core/cpus");
    put("0-1", "sys/devices/cpu_atom/cpus");
    check_hybrid((const int[]){ 2, 3, 0, 1 }, 2);
}

static void performance_cores_go_first_by_capacity(void **state)
{
    (void)state;
    static const char *const capacity[] = { "446", "446", "446", "1024" };
    for (int cpu = 0; cpu < 4; cpu++)
        put(capacity[cpu], "sys/devices/system/cpu/cpu%d/cpu_capacity", cpu);
    check_hybrid((const int[]){ 3, 0, 1, 2 }, 1);
}

static void performance_cores_go_first_by_clock(void **state)
{
    (void)state;
    static const char *const clock[] = { "3300000", "5000000", "5100000", "3300000" };
    for (int cpu = 0; cpu < 4; cpu++)
        put(clock[cpu], "sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu);
    check_hybrid((const int[]){ 2, 1, 0, 3 }, 2);
}

/* ---- Limits ---- */

static int default_threads(int n_cpus)
{
    struct cores c;
    read_cores(&c, n_cpus);
    return cores_default_threads(&c, NULL);
}

static void a_control_group_of_version_2_limits_the_threads(void **state)
{
    (void)state;
    put("0::/pod/box", "proc/self/cgroup");
    assert_int_equal(default_threads(8), 8);
    put("max 100000", "sys/fs/cgroup/pod/box/cpu.max");
    assert_int_equal(default_threads(8), 8);
    put("400000 100000", "sys/fs/cgroup/pod/cpu.max"); /* the group above counts as well */
    assert_int_equal(default_threads(8), 4);
    assert_int_equal(default_threads(3), 3);
    put("150000 100000", "sys/fs/cgroup/pod/box/cpu.max");
    assert_int_equal(default_threads(8), 2);
    put("100000 100000", "sys/fs/cgroup/cpu.max"); /* as seen from inside a container */
    assert_int_equal(default_threads(8), 1);
    put("5000 100000", "sys/fs/cgroup/cpu.max");
    assert_int_equal(default_threads(8), 1);
}

static void a_control_group_of_version_1_limits_the_threads(void **state)
{
    (void)state;
    put("5:cpuset:/a\n4:cpuacct,cpu:/a/b\n1:name=systemd:/", "proc/self/cgroup");
    put("-1", "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us");
    put("100000", "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us");
    assert_int_equal(default_threads(8), 8);
    put("250000", "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us");
    assert_int_equal(default_threads(8), 3);
    put("50000", "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us");
    put("25000", "sys/fs/cgroup/cpu/a/cpu.cfs_period_us");
    assert_int_equal(default_threads(8), 2);
}

/* ---- Threads onto cores ---- */

static void put_nodes(void)
{
    put("0-1", "sys/devices/system/node/online");
    put("0-3", "sys/devices/system/node/node0/cpulist");
    put("4-7", "sys/devices/system/node/node1/cpulist");
}

static void assert_mask(const cpu_set_t *mask, int first, int last)
{
    assert_int_equal(CPU_COUNT(mask), last - first + 1);
    for (int cpu = first; cpu <= last; cpu++)
        assert_true(CPU_ISSET(cpu, mask));
}

static void distributed_threads_are_spread_over_the_nodes(void **state)
{
    (void)state;
    struct cores c;
    cpu_set_t masks[6];
    put_nodes();
    read_cores(&c, 8);
    assert_int_equal(cores_assign(&c, NULL, INFER_NUMA_DISTRIBUTE, 1, 4, masks, NULL), INFER_OK);
    for (int i = 0; i < 4; i++)
        assert_mask(&masks[i], i < 2 ? 0 : 4, i < 2 ? 3 : 7);
    /* The caller's node is that of thread 0. */
    assert_int_equal(cores_assign(&c, NULL, INFER_NUMA_DISTRIBUTE, 6, 4, masks, NULL), INFER_OK);
    for (int i = 0; i < 4; i++)
        assert_mask(&masks[i], i < 2 ? 4 : 0, i < 2 ? 7 : 3);
    assert_int_equal(cores_assign(&c, "compact", INFER_NUMA_DISTRIBUTE, 0, 6, masks, NULL), INFER_OK);
    static const int cpus[] = { 0, 1, 2, 4, 5, 6 };
    for (int i = 0; i < 6; i++)
        assert_mask(&masks[i], cpus[i], cpus[i]);
}

static void isolated_threads_stay_on_the_callers_node(void **state)
{
    (void)state;
    struct cores c;
    cpu_set_t masks[3];
    put_nodes();
    read_cores(&c, 8);
    cores_isolate(&c, 5);
    assert_int_equal(cores_default_threads(&c, NULL), 4);
    assert_int_equal(cores_assign(&c, NULL, INFER_NUMA_ISOLATE, 5, 3, masks, NULL), INFER_OK);
    for (int i = 0; i < 3; i++)
        assert_mask(&masks[i], 4, 7);
}

static void more_threads_than_cores_go_round(void **state)
{
    (void)state;
    struct cores c;
    cpu_set_t masks[5];
    put_nodes();
    read_cores(&c, 2);
    assert_int_equal(cores_assign(&c, "compact", INFER_NUMA_NONE, 0, 5, masks, NULL), INFER_OK);
    for (int i = 0; i < 5; i++)
        assert_mask(&masks[i], i % 2, i % 2);
    assert_int_equal(cores_assign(&c, "compact", INFER_NUMA_DISTRIBUTE, 0, 5, masks, NULL), INFER_OK);
    for (int i = 0; i < 5; i++)
        assert_mask(&masks[i], i % 2, i % 2);
}

static void a_list_puts_each_thread_on_its_cpu(void **state)
{
    (void)state;
    struct cores c;
    cpu_set_t masks[3];
    infer_error err;
    read_cores(&c, 4);
    assert_int_equal(cores_default_threads(&c, "3,0,1"), 3);
    assert_int_equal(cores_assign(&c, "3,0-1", INFER_NUMA_NONE, 0, 3, masks, &err), INFER_OK);
    assert_mask(&masks[0], 3, 3);
    assert_mask(&masks[1], 0, 0);
    assert_mask(&masks[2], 1, 1);
    assert_int_equal(cores_assign(&c, "0-1", INFER_NUMA_NONE, 0, 3, masks, &err), INFER_E_ARGUMENT);
    assert_string_equal(err.message, "affinity \"0-1\" names 2 CPUs, but there are 3 threads");
    assert_int_equal(cores_assign(&c, "0,1,4", INFER_NUMA_NONE, 0, 3, masks, &err), INFER_E_ARGUMENT);
    assert_string_equal(err.message, "affinity names CPU 4, which this process may not use");
    assert_int_equal(cores_assign(&c, "spread", INFER_NUMA_NONE, 0, 3, masks, &err), INFER_E_ARGUMENT);
    assert_string_equal(err.message, "affinity is \"spread\", expected none, compact or a list such as 0,2,4-7");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_in_their_order),
        TEST(threads_of_one_core_count_as_one),
        TEST(a_core_counts_if_any_of_its_threads_may_be_used),
        TEST(a_system_that_says_nothing_has_a_core_for_each_cpu),
        TEST(performance_cores_go_first_by_the_kinds_that_intel_names),
        TEST(performance_cores_go_first_by_capacity),
        TEST(performance_cores_go_first_by_clock),
        TEST(a_control_group_of_version_2_limits_the_threads),
        TEST(a_control_group_of_version_1_limits_the_threads),
        TEST(distributed_threads_are_spread_over_the_nodes),
        TEST(isolated_threads_stay_on_the_callers_node),
        TEST(more_threads_than_cores_go_round),
        TEST(a_list_puts_each_thread_on_its_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
