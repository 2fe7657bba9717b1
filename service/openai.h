/* openai.h - what the routes of OpenAI's API have in common. */
#ifndef SERVICE_OPENAI_H
#define SERVICE_OPENAI_H

#include "service/job.h"

/** max_tokens, n, stop, stream, stream_options, seed and the rest that all of them know. */
void openai_read(struct job *job, struct fields *f);
/** The stream wants a last event with "usage". */
bool openai_wants_usage(const struct job *job);
/** response_format, as text, JSON or a schema. */
void openai_read_format(struct job *job, struct fields *f);
/** How much a model is to reason, where it can: "none" to "xhigh", for its template; "none" has it end at once. */
void openai_read_effort(struct job *job, struct fields *f, const char *param, const json_t *effort);
/** {"prompt_tokens", "completion_tokens", "total_tokens", ...} */
json_t *openai_usage(const struct job *job);
/** Milliseconds and speed, as llama.cpp's server tells them. */
json_t *openai_timings(const struct job *job);
/** "chatcmpl-..." and the like, into job->id. */
void openai_id(struct job *job, const char *prefix);
/** A failure within a stream: {"error": {...}}. */
void openai_stream_fail(struct job *job, const infer_error *err);
/** The beginning of a stream: its headers. */
void openai_stream_begin(struct job *job);
/** What all objects of an answer begin with: "id", "object", "created", "model". */
json_t *openai_head(const struct job *job, const char *object);
/** The end of a stream of such objects: the usage, if it is wanted, and "[DONE]". */
void openai_stream_end(struct job *job, const char *object);
/** What ends every stream: "data: [DONE]". */
void openai_stream_done(struct job *job);

void chat_completions(infer_exchange *x);
void completions(infer_exchange *x);

#endif
