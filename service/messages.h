/* messages.h - Anthropic's API. */
#ifndef SERVICE_MESSAGES_H
#define SERVICE_MESSAGES_H

#include "service/conversation.h"

/** Messages for job->messages from a request's `system` and `messages`, checked: their blocks become texts, reasoning,
 *  calls and what tools answered. NULL: f tells what is wrong. The caller releases it. */
json_t *messages_conversation(struct fields *f, const json_t *system, const json_t *messages);
/** Offer tools: [{"name", "description", "input_schema"}]. */
void messages_tools(struct job *job, struct fields *f, const json_t *tools);
/** {"type": "auto" | "any" | "tool" | "none", "name", "disable_parallel_tool_use"} */
void messages_tool_choice(struct job *job, struct fields *f, const json_t *choice);

/** POST /v1/messages */
void messages(infer_exchange *x);
/** POST /v1/messages/count_tokens */
void messages_count(infer_exchange *x);

#endif
