/* probe.h - whether two tokenizers do the same. */
#ifndef CONVERT_PROBE_H
#define CONVERT_PROBE_H

#include "src/base/memory.h"

/** OTHER_SPACES: the same but for texts that begin or end with white space. */
enum likeness { LIKENESS_NONE, LIKENESS_OTHER_SPACES, LIKENESS_SAME };

/** Compare ids over texts that tell the usual ways of cutting text apart, and over tokens of the vocabulary alone and
 *  in random rows. INFER_E_NOMEM else. */
infer_status probe(const infer_tokenizer *a, const infer_tokenizer *b, const infer_allocator *allocator,
                   enum likeness *likeness, infer_error *err);

#endif
