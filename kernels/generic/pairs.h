/* pairs.h - vectors of pairs of numbers whose products are summed: pairs of floats, over the vector that
 * kernels/<set>/simd.h names. A set may have another such header, of pairs that it multiplies faster.
 *
 *   PAIRS_OF_TYPES(F) calls F for each type of keys and values that can be made pairs
 *   pnum          a number of a pair; PAIRS_TYPE is the type that is stored so
 *   pv            PAIRS pairs: made of PAIR_VECTORS vectors of floats, the numbers in order
 *   pv_fma        adds to each of some sums: two of such vectors of sums make PAIR_VECTORS vectors of floats */
#ifndef KERNELS_GENERIC_PAIRS_H
#define KERNELS_GENERIC_PAIRS_H

#define PAIRS_TYPE DTYPE_F32
#define PAIRS_OF_TYPES(F) F(F32) F(F16) F(BF16) F(Q8_0) F(Q4_0)
enum { PAIRS = VF / 2, PAIR_VECTORS = 1 };
typedef float pnum;
typedef vf pv;

static inline pv pv_from(const vf x[PAIR_VECTORS])
{
    return x[0];
}
static inline pv pv_load(const pnum *p)
{
    return vf_load(p);
}
static inline void pv_store(pnum *p, pv x)
{
    vf_store(p, x);
}
/** One pair for all. */
static inline pv pv_set(const pnum *p)
{
    return vf_set_pair(p);
}
static inline pv pv_ones(void)
{
    return vf_set(1);
}
/** What is not kept of each pair becomes 0, whatever it is. */
static inline pv pv_keep(pv x, bool first, bool second)
{
    return vf_keep(x, first, second);
}
static inline vf pv_fma(pv a, pv b, vf sums)
{
    return vf_fma(a, b, sums);
}
/** Vector i of the 2 * PAIRS sums of pairs. */
static inline vf pv_sums(const vf sums[2], int i)
{
    (void)i;
    return vf_pair_sums(sums[0], sums[1]);
}

#endif
