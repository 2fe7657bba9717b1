/* notify.h - what systemd is told of a service of Type=notify. */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

/** Send "READY=1" and such to $NOTIFY_SOCKET, if there is one: see sd_notify(3). */
void notify(const char *state);

#endif
