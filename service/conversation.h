/* conversation.h - conversations as OpenAI's API has them: what all dialects bring theirs to. */
#ifndef SERVICE_CONVERSATION_H
#define SERVICE_CONVERSATION_H

#include "service/job.h"
#include "service/tokens.h"

/** Messages for job->messages from those of a request, checked: content is a string or null, the parts of it that are
 *  text joined. NULL: f tells what is wrong. The caller releases it. */
json_t *conversation_messages(struct fields *f, const char *param, const json_t *messages);
/** Text of a message's content: a string, or an array of parts of the types "text", "input_text", "output_text". The
 *  caller frees it. NULL: f tells what is wrong. */
char *conversation_text(struct fields *f, const char *param, const json_t *content);
/** Offer tools: [{"type": "function", "function": {"name", "description", "parameters"}}]; NULL or none: no tools. */
void job_set_tools(struct job *job, struct fields *f, const char *param, const json_t *tools);
/** OpenAI's tool_choice: "auto", "none", "required" or {"type": "function", "function": {"name": T}}. */
void job_set_tool_choice(struct job *job, struct fields *f, const char *param, const json_t *choice);
/** Variables of the chat template: an object, or NULL. */
void job_set_variables(struct job *job, struct fields *f, const char *param, const json_t *variables);
/** Ids of what an answer to job->messages goes on from, with a text behind it. False: err tells why there are none. */
bool conversation_ids(struct job *job, const char *text, size_t length, struct ids *ids, infer_error *err);
/** If the last message is a text of the assistant's own, have the answer go on from there: the job then has a prompt of
 *  ids in place of messages. Not where there are tools. */
bool conversation_continue(struct job *job, infer_error *err);
/** The call with its id, as messages of the dialects have them: a new object of the answer's call i. */
json_t *answer_call(const struct answer *answer, size_t i);

#endif
