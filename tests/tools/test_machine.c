/* test_machine.c - what made-up systems say of their processors and memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/folder.h"
#include "tools/common/machine.h"

#include <string.h>
#include <sys/stat.h>

static char root[FOLDER_ROOM];

static int make_root(void **state)
{
    (void)state;
    folder_make(root);
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    folder_remove(root);
    return 0;
}

/* root/PATH with this text. */
static void put(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *f = fopen(whole, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

#define GB 1000000000ull

static void test_a_system_that_tells_nothing_has_no_figures(void **state)
{
    struct machine m;
    (void)state;
    machine_read(&m, root);
    assert_string_equal(m.processor, "");
    assert_string_equal(m.governor, "");
    assert_string_equal(m.huge_pages, "");
    assert_true(m.n_cores >= 1 && m.n_cpus >= 1 && m.cpu_limit == 0);
    assert_true(m.memory == 0 && m.available == 0 && m.group_limit == 0 && m.hertz == 0);
}

static void test_processor_clock_and_memory_are_read(void **state)
{
    struct machine m;
    (void)state;
    put("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some Processor 9\ncpu MHz\t\t: 2500.5\n");
    put("proc/meminfo", "MemTotal:       16000000 kB\nMemFree:  1 kB\nMemAvailable:    8000000 kB\n"
                        "SwapTotal:       2000000 kB\nSwapFree:        1500000 kB\n");
    put("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    machine_read(&m, root);
    assert_string_equal(m.processor, "Some Processor 9");
    assert_true(m.hertz == 2500.5e6);
    assert_true(m.most_hertz == 0);
    assert_true(m.memory == 16000000ull * 1024);
    assert_true(m.available == 8000000ull * 1024);
    assert_true(m.swap_used == 500000ull * 1024);
    assert_string_equal(m.huge_pages, "madvise");
    assert_true(machine_room(&m) == m.available);
}

static void put_clock(int cpu, const char *now, const char *most)
{
    char path[128];
    snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", cpu);
    put(path, now);
    snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu);
    put(path, most);
    snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu);
    put(path, "powersave\n");
}

static void test_the_clock_is_that_of_the_fastest_cpu(void **state)
{
    struct machine m;
    (void)state;
    put("proc/cpuinfo", "cpu MHz : 1\n");
    for (int cpu = 0; cpu < 256; cpu++) /* whichever this process may use */
        put_clock(cpu, "1200000\n", "3000000\n");
    machine_read(&m, root);
    assert_true(m.hertz == 1.2e9);
    assert_true(m.most_hertz == 3e9);
    assert_string_equal(m.governor, "powersave");
}

static void test_the_least_of_the_control_groups_counts(void **state)
{
    struct machine m;
    (void)state;
    put("proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n");
    put("proc/self/cgroup", "0::/outer/inner\n");
    put("sys/fs/cgroup/outer/inner/memory.max", "max\n");
    put("sys/fs/cgroup/outer/memory.max", "4000000000\n");
    put("sys/fs/cgroup/outer/memory.current", "3000000000\n");
    put("sys/fs/cgroup/outer/memory.stat", "anon 1\ninactive_file 1000000000\n");
    put("sys/fs/cgroup/memory.max", "6000000000\n");
    put("sys/fs/cgroup/memory.current", "1000000000\n");
    machine_read(&m, root);
    assert_true(m.group_limit == 4 * GB);
    assert_true(m.group_free == 2 * GB);
    assert_true(machine_room(&m) == 2 * GB);
}

static void test_groups_of_version_1_are_read_and_what_is_no_limit_is_none(void **state)
{
    struct machine m;
    (void)state;
    put("proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 1000000 kB\n");
    put("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n");
    put("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
    machine_read(&m, root);
    assert_true(m.group_limit == 0);
    put("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "2000000000\n");
    put("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "2500000000\n");
    machine_read(&m, root);
    assert_true(m.group_limit == 2 * GB && m.group_free == 0);
    assert_true(machine_room(&m) == 0);
}

int main(void)
{
#define IN_ROOT(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        IN_ROOT(test_a_system_that_tells_nothing_has_no_figures),
        IN_ROOT(test_processor_clock_and_memory_are_read),
        IN_ROOT(test_the_clock_is_that_of_the_fastest_cpu),
        IN_ROOT(test_the_least_of_the_control_groups_counts),
        IN_ROOT(test_groups_of_version_1_are_read_and_what_is_no_limit_is_none),
    };
    return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
