// Between the files of this target.

#ifndef CNCURSES_INTERNAL_H
#define CNCURSES_INTERNAL_H

/// Gives the terminal back for a while; cn_resume takes it again.
void cn_leave_screen(void);

/// Brings the terminal back by async-signal-safe calls alone.
void cn_reset_after_crash(void);

#endif
