/* cpu.c - what this machine can run: the features the processor reports, as far as the operating system saves their
 * registers across context switches. */
#include "kernels/kernels.h"

#include <string.h>

#if defined(__x86_64__)
static const char *const level_names[CPU_LEVELS] = { "scalar", "avx2", "avx512", "amx" };
const char cpu_level_list[] = "scalar, avx2, avx512 or amx";
#elif defined(__aarch64__)
static const char *const level_names[CPU_LEVELS] = { "scalar", "neon", "dotprod", "i8mm" };
const char cpu_level_list[] = "scalar, neon, dotprod or i8mm";
#else
static const char *const level_names[CPU_LEVELS] = { "scalar" };
const char cpu_level_list[] = "scalar";
#endif

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
#include <sys/syscall.h>
#include <unistd.h>

/* The maker, and registers of the three CPUID leaves that matter here; zero where the processor has no such leaf. */
struct cpuid {
    bool amd;
    unsigned ecx1, ebx7, ecx7, edx7, eax7_1;
    unsigned xcr0; /* register sets that the operating system saves */
};

static struct cpuid read_cpuid(void)
{
    struct cpuid id = { 0 };
    unsigned a, b, c, d;
    if (__get_cpuid(0, &a, &b, &c, &d))
        id.amd = b == signature_AMD_ebx && c == signature_AMD_ecx && d == signature_AMD_edx;
    if (__get_cpuid(1, &a, &b, &c, &d))
        id.ecx1 = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        id.ebx7 = b;
        id.ecx7 = c;
        id.edx7 = d;
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

/* Of leaf 7.1; not every <cpuid.h> names them. */
static const unsigned avx_vnni = 1u << 4, avx512_bf16 = 1u << 5;

static bool has(unsigned reg, unsigned bits)
{
    return (reg & bits) == bits;
}

/* Linux saves the 8 KB of the tiles only for processes that ask for it, which holds for all their threads; asking again
 * changes nothing. It refuses where a thread has a stack for signals that is too small for them. */
static bool may_use_tiles(void)
{
#if defined(__linux__)
    const long request_permission = 0x1023, tile_data = 18; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}

static enum cpu_level level_of(const struct cpuid *id)
{
    const unsigned ymm = 1u << 1 | 1u << 2, zmm = 1u << 5 | 1u << 6 | 1u << 7; /* parts of the saved state */
    if (!has(id->xcr0, ymm) || !has(id->ecx1, bit_AVX | bit_FMA | bit_F16C) || !has(id->ebx7, bit_AVX2))
        return CPU_SCALAR;
    if (!has(id->xcr0, zmm) || !has(id->ebx7, bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL) ||
        !has(id->ecx7, bit_AVX512VNNI))
        return CPU_AVX2;
    const unsigned tiles = 1u << 17 | 1u << 18, amx = 1u << 22 | 1u << 24 | 1u << 25; /* BF16, TILE, INT8 */
    if (!has(id->xcr0, tiles) || !has(id->edx7, amx) || !has(id->eax7_1, avx512_bf16) || !may_use_tiles())
        return CPU_AVX512;
    return CPU_AMX;
}

enum cpu_level cpu_detect(void)
{
    const struct cpuid id = read_cpuid();
    return level_of(&id);
}

struct cpu_features cpu_features(void)
{
    const struct cpuid id = read_cpuid();
    const enum cpu_level level = level_of(&id);
    const bool bf16 = level >= CPU_AVX512 && has(id.eax7_1, avx512_bf16);
    return (struct cpu_features){
        .avx512_vnni = level >= CPU_AVX512,
        .avx512_bf16 = bf16,
        .fast_bf16 = bf16 && id.amd,
        .avx512_vbmi = level >= CPU_AVX512 && has(id.ecx7, bit_AVX512VBMI),
        .avx_vnni = level >= CPU_AVX2 && has(id.eax7_1, avx_vnni),
    };
}

#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

/* The two of Armv8.6 came together in every processor known to have either. */
enum cpu_level cpu_detect(void)
{
    const unsigned long one = getauxval(AT_HWCAP), two = getauxval(AT_HWCAP2), armv8_6 = HWCAP2_I8MM | HWCAP2_BF16;
    if (!(one & HWCAP_ASIMD))
        return CPU_SCALAR;
    if (!(one & HWCAP_ASIMDDP))
        return CPU_NEON;
    return (two & armv8_6) == armv8_6 ? CPU_I8MM : CPU_DOTPROD;
}

#else

enum cpu_level cpu_detect(void)
{
    return CPU_SCALAR;
}

#endif
