#define NCURSES_WIDECHAR 1
#define _XOPEN_SOURCE_EXTENDED 1
#ifndef __APPLE__
#define _GNU_SOURCE 1
#endif

#include "CNcurses.h"
#include "Internal.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

static SCREEN *screen;
// Keys are read from a pad: reading from a window would refresh it.
static WINDOW *keys;
static struct termios found_modes;

// What brings the terminal back after a crash, composed in time.
static char reset_text[256];
static volatile size_t reset_length;

bool cn_set_locale(void) {
    const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *wanted = NULL;
    for (int i = 0; i < 3 && !wanted; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) wanted = value;
    }
    const char *set = setlocale(LC_CTYPE, "");
    // Nothing asked for, as in a bare container, or a UTF-8 locale that isn't installed, as over ssh.
    bool wants_utf8 = wanted && (strcasestr(wanted, "utf-8") || strcasestr(wanted, "utf8"));
    if (!wanted || (!set && wants_utf8)) {
        if (!setlocale(LC_CTYPE, "C.UTF-8")) setlocale(LC_CTYPE, "en_US.UTF-8");
    }
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

// Older versions of ncurses have no fifth button: the wheel only turns one way then.
#ifndef BUTTON5_PRESSED
#define BUTTON5_PRESSED 0
#endif

static int collect(int character) {
    if (reset_length < sizeof reset_text) reset_text[reset_length++] = (char)character;
    return character;
}

static void compose_reset(void) {
    const char *names[] = {"sgr0", "op", "cnorm", "rmkx", "rmcup"};
    reset_length = 0;
    for (int i = 0; i < 5; i++) {
        char *text = tigetstr(names[i]);
        if (text && text != (char *)-1) tputs(text, 1, collect);
    }
}

void cn_set_mouse(bool is_on) {
    // No wait for a second click: a press is told at once.
    mouseinterval(0);
    mousemask(is_on ? BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED : 0, NULL);
    compose_reset();
    if (!is_on) return;
    for (const char *text = "\033[?1006l\033[?1000l"; *text; text++) collect(*text);
}

static int read_mouse(uint32_t *value) {
    MEVENT event;
    if (getmouse(&event) != OK || event.x < 0 || event.y < 0) return CN_KEY_OTHER;
    *value = (uint32_t)event.y << 16 | (uint32_t)event.x;
    if (event.bstate & BUTTON1_PRESSED) return CN_KEY_MOUSE_PRESS;
    if (event.bstate & BUTTON4_PRESSED) return CN_KEY_MOUSE_WHEEL_UP;
    if (event.bstate & BUTTON5_PRESSED) return CN_KEY_MOUSE_WHEEL_DOWN;
    return CN_KEY_OTHER;
}

int cn_terminal_colours(const char *name) {
    int error = 0;
    if (setupterm(name, STDOUT_FILENO, &error) != OK) return -1;
    int colours = tigetnum("colors");
    del_curterm(cur_term);
    return colours < 0 ? 0 : colours;
}

bool cn_open(const char *name) {
    if (tcgetattr(STDIN_FILENO, &found_modes) != 0) return false;
    set_escdelay(25);
    // Where newterm finds SIGTSTP at its default it takes it over, and then ignores it whenever it draws: a signal that
    // came at such a moment would be lost.
    struct sigaction ignored, before;
    memset(&ignored, 0, sizeof ignored);
    ignored.sa_handler = SIG_IGN;
    sigaction(SIGTSTP, &ignored, &before);
    screen = newterm(name, stdout, stdin);
    sigaction(SIGTSTP, &before, NULL);
    if (!screen) return false;
    set_term(screen);
    if (has_colors()) {
        start_color();
        use_default_colors();
    }
    raw();
    noecho();
    nonl();
    keys = newpad(1, 1);
    keypad(keys, TRUE);
    nodelay(keys, TRUE);
    curs_set(0);
    compose_reset();
    return true;
}

void cn_close(void) {
    if (!screen) return;
    delwin(keys);
    endwin();
    delscreen(screen);
    screen = NULL;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &found_modes);
}

int cn_colours(void) { return has_colors() ? COLORS : 0; }
int cn_pairs(void) { return has_colors() ? COLOR_PAIRS : 0; }

bool cn_define_pair(int pair, int foreground, int background) {
    return init_extended_pair(pair, foreground, background) == OK;
}

void cn_put(int row, int column, uint32_t scalar, int attributes, int pair) {
    attr_t attr = A_NORMAL;
    if (attributes & CN_BOLD) attr |= A_BOLD;
    if (attributes & CN_REVERSE) attr |= A_REVERSE;
    if (attributes & CN_UNDERLINE) attr |= A_UNDERLINE;
    wchar_t text[2] = {(wchar_t)scalar, 0};
    cchar_t cell;
    // Pairs beyond a short go through the last argument. The lower right cell is drawn and reported as an error.
    if (setcchar(&cell, text, attr, 0, &pair) == OK) mvadd_wch(row, column, &cell);
}

void cn_cursor(int row, int column) {
    curs_set(row < 0 ? 0 : 1);
    if (row >= 0) move(row, column);
}

void cn_refresh(void) { refresh(); }
void cn_redraw(void) { clearok(curscr, TRUE); }

void cn_resize(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
        resizeterm(size.ws_row, size.ws_col);
}

int cn_rows(void) { return LINES; }
int cn_columns(void) { return COLS; }
int cn_character_width(uint32_t scalar) { return wcwidth((wchar_t)scalar); }

int cn_read_key(uint32_t *value) {
    wint_t key = 0;
    int kind = wget_wch(keys, &key);
    *value = (uint32_t)key;
    if (kind == OK) return CN_KEY_CHARACTER;
    if (kind != KEY_CODE_YES) return CN_KEY_NONE;
    if (key >= KEY_F(1) && key <= KEY_F(24)) {
        *value = key - KEY_F(0);
        return CN_KEY_FUNCTION;
    }
    switch (key) {
    case KEY_UP: return CN_KEY_UP;
    case KEY_DOWN: return CN_KEY_DOWN;
    case KEY_LEFT: return CN_KEY_LEFT;
    case KEY_RIGHT: return CN_KEY_RIGHT;
    case KEY_PPAGE: return CN_KEY_PAGE_UP;
    case KEY_NPAGE: return CN_KEY_PAGE_DOWN;
    case KEY_HOME: return CN_KEY_HOME;
    case KEY_END: return CN_KEY_END;
    case KEY_ENTER: return CN_KEY_ENTER;
    case KEY_BTAB: return CN_KEY_BACK_TAB;
    case KEY_BACKSPACE: return CN_KEY_BACKSPACE;
    case KEY_DC: return CN_KEY_DELETE;
    case KEY_MOUSE: return read_mouse(value);
    default: return CN_KEY_OTHER;
    }
}

bool cn_is_hung_up(void) {
    struct pollfd descriptor = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&descriptor, 1, 0) > 0 && (descriptor.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void cn_resume(void) {
    reset_prog_mode();
    cn_resize();
    cn_redraw();
}

void cn_leave_screen(void) { endwin(); }

void cn_reset_after_crash(void) {
    size_t done = 0;
    while (done < reset_length) {
        ssize_t count = write(STDOUT_FILENO, reset_text + done, reset_length - done);
        if (count <= 0) break;
        done += (size_t)count;
    }
    tcsetattr(STDIN_FILENO, TCSANOW, &found_modes);
}
