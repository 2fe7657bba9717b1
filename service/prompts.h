/* prompts.h - prompts of texts that answer nobody: strings, ids, and texts with a hole to be filled. */
#ifndef SERVICE_PROMPTS_H
#define SERVICE_PROMPTS_H

#include "service/job.h"
#include "service/tokens.h"

enum { MAX_PROMPTS = 512 };

/** The job's prompts from a string, an array of ids (among which strings may be), or an array of such prompts. Where it
 *  fails, f tells why; so do those below. */
void job_read_prompts(struct job *job, struct fields *f, const char *param, const json_t *prompts);
/** One prompt: a string, or an array of ids and strings. */
void read_prompt(struct ids *ids, const infer_tokenizer *tokenizer, struct fields *f, const char *param,
                 const json_t *prompt);
/** Make these ids a prompt of the job's. They are freed. */
void job_add_prompt(struct job *job, struct fields *f, const char *param, struct ids *taken);
/** The ids of a prompt, n of them. */
const int32_t *job_prompt(const struct job *job, int prompt, size_t *n);

/** A text with a hole, and what may stand before it. */
struct hole {
    const json_t *prefix, *suffix; /* strings, or arrays of ids and strings; NULL: empty */
    const json_t *prompt;          /* how the text in the hole begins, likewise */
    const json_t *extra;           /* [{"filename": T, "text": T}], or NULL */
};

/** Whether the model's vocabulary has tokens for that. */
bool fills_holes(const infer_model *model);
/** The prompt that has the model fill a hole, as its vocabulary wants it; what is too long is cut at its far ends.
 *  Tokens by which another file or hole begins end the text too. */
void job_read_hole(struct job *job, struct fields *f, const char *param, const struct hole *hole);

#endif
