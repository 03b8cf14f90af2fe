// ncurses, as far as the Terminal module needs it, without its macros, globals and variadic functions.
//
// One screen at a time, used from one thread. The signal handlers write to a pipe and touch nothing else; the crash
// handlers use async-signal-safe calls only.

#ifndef CNCURSES_H
#define CNCURSES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CN_KEY_NONE = 0,
    CN_KEY_CHARACTER,
    CN_KEY_FUNCTION,
    CN_KEY_UP,
    CN_KEY_DOWN,
    CN_KEY_LEFT,
    CN_KEY_RIGHT,
    CN_KEY_PAGE_UP,
    CN_KEY_PAGE_DOWN,
    CN_KEY_HOME,
    CN_KEY_END,
    CN_KEY_ENTER,
    CN_KEY_BACK_TAB,
    CN_KEY_BACKSPACE,
    CN_KEY_DELETE,
    CN_KEY_MOUSE_PRESS,
    CN_KEY_MOUSE_WHEEL_UP,
    CN_KEY_MOUSE_WHEEL_DOWN,
    CN_KEY_OTHER
};

enum { CN_BOLD = 1, CN_REVERSE = 2, CN_UNDERLINE = 4 };

/// Sets the character type locale from the environment. Returns whether text is UTF-8.
bool cn_set_locale(void);

/// The colours of a terminal type; 0 if it has none, -1 if it is unknown. Before the screen is opened.
int cn_terminal_colours(const char *name);

/// Opens the screen: raw mode, no echo, keypad, no cursor, the terminal's own colours as default.
/// The type is TERM's unless a name is given. Returns false if the terminal is unknown or can't be used.
bool cn_open(const char *name);

/// Gives the terminal back as it was found.
void cn_close(void);

/// Colours and colour pairs that the terminal offers; 0 if it has none.
int cn_colours(void);
int cn_pairs(void);

/// Defines a colour pair; -1 is the terminal's own colour. Returns false if that failed.
bool cn_define_pair(int pair, int foreground, int background);

void cn_put(int row, int column, uint32_t scalar, int attributes, int pair);

/// Shows the cursor, or hides it if row is negative.
void cn_cursor(int row, int column);

/// Sends what has changed to the terminal.
void cn_refresh(void);

/// Sends the whole screen with the next refresh.
void cn_redraw(void);

/// Takes over the terminal's present size.
void cn_resize(void);
int cn_rows(void);
int cn_columns(void);

/// The columns that the C library gives a character, -1 if it is not printable.
int cn_character_width(uint32_t scalar);

/// Whether the left button and the wheel are reported; the terminal then doesn't select text with them.
void cn_set_mouse(bool is_on);

/// Reads a key without waiting: one of CN_KEY_…; the character or the number of the function key goes to *value, of the
/// mouse the place: the row times 65,536 plus the column.
int cn_read_key(uint32_t *value);

/// Whether the terminal has gone away.
bool cn_is_hung_up(void);

/// Gives the terminal back, stops the program (its whole process group if asked), and takes the terminal again when it
/// is continued.
void cn_suspend(bool whole_group);

/// Takes the terminal again after a stop that could not be caught.
void cn_resume(void);

/// From now on TERM, INT, HUP, WINCH, TSTP and CONT are written to the pipe as one byte each.
bool cn_catch_signals(int pipe_writer);
void cn_release_signals(void);

/// From now on a crash restores the terminal, shows what stderr has collected, and then goes its way.
void cn_guard_crashes(void);
void cn_release_crashes(void);

/// Sends stderr to an unlinked temporary file. Returns false if that isn't possible; stderr is then as it was.
bool cn_capture_stderr(void);

/// Reads on in what stderr has collected. Returns the number of bytes.
long cn_read_stderr(char *buffer, long size);

/// Puts stderr back and writes to it all that was collected.
void cn_release_stderr(void);

#endif
