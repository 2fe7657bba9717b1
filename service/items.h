/* items.h - conversations as /v1/responses has them: messages, calls, their outputs and reasoning, each an item of its
 * own. */
#ifndef SERVICE_ITEMS_H
#define SERVICE_ITEMS_H

#include "service/conversation.h"

/** Items of a request's input, a string or an array, checked, each with an id. NULL: f tells what is wrong. */
json_t *items_read(struct fields *f, const char *param, const json_t *input);
/** Messages for job->messages from items, behind the instructions, which may be NULL. NULL: f tells what is wrong. */
json_t *items_messages(struct fields *f, const char *param, const char *instructions, const json_t *items);
/** A new id: "msg_..." and the like. */
json_t *item_id(const char *prefix);

#endif
