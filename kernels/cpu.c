/* cpu.c - what this machine can run: the features the processor reports, as far as the operating system saves their
 * registers across context switches. */
#include "kernels/kernels.h"

#include <string.h>

static const char *const level_names[CPU_LEVELS] = { "scalar", "avx2", "avx512" };

const char *cpu_level_name(enum cpu_level level)
{
    return (unsigned)level < CPU_LEVELS ? level_names[level] : "unknown";
}

int cpu_level_find(const char *name)
{
    for (int level = 0; level < CPU_LEVELS; level++)
        if (strcmp(name, level_names[level]) == 0)
            return level;
    return -1;
}

#if defined(__x86_64__)
#include <cpuid.h>

/* Registers of the three CPUID leaves that matter here; zero where the processor has no such leaf. */
struct cpuid {
    unsigned ecx1, ebx7, ecx7, eax7_1;
    unsigned xcr0; /* register sets that the operating system saves */
};

static struct cpuid read_cpuid(void)
{
    struct cpuid id = { 0 };
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d))
        id.ecx1 = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        id.ebx7 = b;
        id.ecx7 = c;
        const unsigned last_subleaf = a;
        if (last_subleaf >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
            id.eax7_1 = a;
    }
    if (id.ecx1 & bit_OSXSAVE) {
        unsigned high;
        __asm__("xgetbv" : "=a"(id.xcr0), "=d"(high) : "c"(0));
    }
    return id;
}

static bool has(unsigned reg, unsigned bits)
{
    return (reg & bits) == bits;
}

static enum cpu_level level_of(const struct cpuid *id)
{
    const unsigned ymm = 1u << 1 | 1u << 2, zmm = 1u << 5 | 1u << 6 | 1u << 7; /* parts of the saved state */
    if (!has(id->xcr0, ymm) || !has(id->ecx1, bit_AVX | bit_FMA | bit_F16C) || !has(id->ebx7, bit_AVX2))
        return CPU_SCALAR;
    if (!has(id->xcr0, zmm) || !has(id->ebx7, bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL) ||
        !has(id->ecx7, bit_AVX512VNNI))
        return CPU_AVX2;
    return CPU_AVX512;
}

enum cpu_level cpu_detect(void)
{
    const struct cpuid id = read_cpuid();
    return level_of(&id);
}

struct cpu_features cpu_features(void)
{
    const unsigned avx_vnni = 1u << 4, avx512_bf16 = 1u << 5; /* of leaf 7.1; not every <cpuid.h> names them */
    const struct cpuid id = read_cpuid();
    const enum cpu_level level = level_of(&id);
    return (struct cpu_features){
        .avx512_vnni = level >= CPU_AVX512,
        .avx512_bf16 = level >= CPU_AVX512 && has(id.eax7_1, avx512_bf16),
        .avx512_vbmi = level >= CPU_AVX512 && has(id.ecx7, bit_AVX512VBMI),
        .avx_vnni = level >= CPU_AVX2 && has(id.eax7_1, avx_vnni),
    };
}

#else

enum cpu_level cpu_detect(void)
{
    return CPU_SCALAR;
}

struct cpu_features cpu_features(void)
{
    return (struct cpu_features){ 0 };
}

#endif
