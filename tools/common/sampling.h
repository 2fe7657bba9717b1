/* sampling.h - a sampler from a program's options, under llama.cpp's names. */
#ifndef TOOLS_COMMON_SAMPLING_H
#define TOOLS_COMMON_SAMPLING_H

#include "infer.h"
#include "tools/common/options.h"

struct sampling_options {
    infer_sampler_options o; /* begins as infer_sampler_defaults(); the seed is the program's */
    const char *stages, *letters; /* NULL: the usual order */
    struct opt_list biases, breakers, banned;
};

/** Rows of a command's table. */
#define SAMPLING_ROWS(s)                                                                                               \
    { OPT_TEXT, "--samplers", "LIST", "the stages to do, in their order, with ; between: default penalties;dry;"       \
      "top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature", &(s).stages, 0, 0 },                                      \
    { OPT_TEXT, "--sampler-seq, --sampling-seq", "LETTERS", "the same by letters: default edskypmxt",                  \
      &(s).letters, 0, 0 },                                                                                            \
    { OPT_LIST, "-l, --logit-bias", "ID+X|ID-X", "add X to the logit of a token, or take it off; ID-inf = never; "     \
      "may be given several times", &(s).biases, 0, 0 },                                                               \
    { OPT_LIST, "--banned-string", "TEXT", "never write this text; may be given several times",                        \
      &(s).banned, 0, 0 },                                                                                             \
    { OPT_FLOAT, "--repeat-penalty", "X", "divide the logits of recent tokens; 1 = off",                               \
      &(s).o.repeat_penalty, 1e-6, 1e6 },                                                                              \
    { OPT_INT, "--repeat-last-n", "N", "how many tokens are recent; 0 = none, -1 = all",                               \
      &(s).o.repeat_last_n, -1, INT32_MAX },                                                                           \
    { OPT_FLOAT, "--frequency-penalty", "X", "take off for each time a token is recent",                               \
      &(s).o.frequency_penalty, -1e6, 1e6 },                                                                           \
    { OPT_FLOAT, "--presence-penalty", "X", "take off once if a token is recent",                                      \
      &(s).o.presence_penalty, -1e6, 1e6 },                                                                            \
    { OPT_FLOAT, "--dry-multiplier", "X", "take X times a power of the base off what would go on with a repetition; "  \
      "0 = off", &(s).o.dry_multiplier, 0, 1e6 },                                                                      \
    { OPT_FLOAT, "--dry-base", "X", "the base", &(s).o.dry_base, 1, 1e6 },                                             \
    { OPT_INT, "--dry-allowed-length", "N", "repetitions of more tokens are taxed",                                    \
      &(s).o.dry_allowed_length, 0, INT32_MAX },                                                                       \
    { OPT_INT, "--dry-penalty-last-n", "N", "tokens searched for repetitions; 0 = none, -1 = all",                     \
      &(s).o.dry_last_n, -1, INT32_MAX },                                                                              \
    { OPT_LIST, "--dry-sequence-breaker", "TEXT", "repetitions do not go over this text; none = over all; default "    \
      "newline, colon, quotation mark, asterisk; may be given several times", &(s).breakers, 0, 0 },                   \
    { OPT_FLOAT, "--top-nsigma, --top-n-sigma", "N", "keep logits N standard deviations below the largest; 0 = all",   \
      &(s).o.top_n_sigma, -1, 1e6 },                                                                                   \
    { OPT_INT, "--top-k", "N", "keep the N most likely; 0 = all", &(s).o.top_k, 0, INT32_MAX },                        \
    { OPT_FLOAT, "--typical, --typical-p", "P", "keep the most typical that are P likely together; 1 = all",           \
      &(s).o.typical_p, 0, 1 },                                                                                        \
    { OPT_FLOAT, "--top-p", "P", "keep the fewest that are P likely together; 1 = all", &(s).o.top_p, 0, 1 },          \
    { OPT_FLOAT, "--min-p", "P", "keep those P times as likely as the best; 0 = all", &(s).o.min_p, 0, 1 },            \
    { OPT_FLOAT, "--xtc-probability", "P", "how often the best are left out; 0 = never",                               \
      &(s).o.xtc_probability, 0, 1 },                                                                                  \
    { OPT_FLOAT, "--xtc-threshold", "P", "all at least so likely, but for the last of them",                           \
      &(s).o.xtc_threshold, 0, 1 },                                                                                    \
    { OPT_FLOAT, "--temp, --temperature", "T", "higher is more daring; 0 = always the most likely token",              \
      &(s).o.temperature, 0, 1e6 },                                                                                    \
    { OPT_FLOAT, "--dynatemp-range", "X", "from T - X to T + X with the entropy; 0 = T",                             \
      &(s).o.dynatemp_range, 0, 1e6 },                                                                                 \
    { OPT_FLOAT, "--dynatemp-exp", "X", "of the entropy's share", &(s).o.dynatemp_exponent, 0, 1e6 },                  \
    { OPT_INT, "--mirostat", "0|1|2", "that version, after temperature alone; 0 = off", &(s).o.mirostat, 0, 2 },       \
    { OPT_FLOAT, "--mirostat-lr", "X", "its learning rate", &(s).o.mirostat_eta, 0, 1e6 },                             \
    { OPT_FLOAT, "--mirostat-ent", "X", "its aim, bits of surprise a token", &(s).o.mirostat_tau, 0, 1e6 }

/** A sampler as the options say. Texts are looked for in the tokenizer's tokens. */
infer_sampler *sampling_open(const struct sampling_options *s, infer_context *context, const infer_tokenizer *tokenizer,
                             infer_error *err);

#endif
