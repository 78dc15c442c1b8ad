/* A touch panel of the emulated board, by uinput: reads what fingers do from standard input, a line
 * each: `down SLOT X Y`, `move SLOT X Y`, `up SLOT`, `wait MS`. Positions are pixels of a panel of
 * 1280 x 800; fingers that are told between two waits do it at once. */
#include <fcntl.h>
#include <linux/uinput.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int device;
static int last_slot;

static void emit(int type, int code, int value) {
    struct input_event event;
    memset(&event, 0, sizeof event);
    event.type = type;
    event.code = code;
    event.value = value;
    if (write(device, &event, sizeof event) != sizeof event)
        perror("uinput");
}

static void axis(int code, int maximum) {
    struct uinput_abs_setup setup;
    memset(&setup, 0, sizeof setup);
    setup.code = code;
    setup.absinfo.maximum = maximum;
    ioctl(device, UI_ABS_SETUP, &setup);
}

static void slot(int number) {
    if (number != last_slot)
        emit(EV_ABS, ABS_MT_SLOT, number);
    last_slot = number;
}

int main(void) {
    struct uinput_setup setup;
    char line[80];
    int number, x, y, next = 1;
    device = open("/dev/uinput", O_WRONLY);
    if (device < 0) {
        perror("/dev/uinput");
        return 1;
    }
    ioctl(device, UI_SET_EVBIT, EV_KEY);
    ioctl(device, UI_SET_KEYBIT, BTN_TOUCH);
    ioctl(device, UI_SET_EVBIT, EV_ABS);
    ioctl(device, UI_SET_PROPBIT, INPUT_PROP_DIRECT);
    axis(ABS_X, 1279);
    axis(ABS_Y, 799);
    axis(ABS_MT_SLOT, 9);
    axis(ABS_MT_TRACKING_ID, 65535);
    axis(ABS_MT_POSITION_X, 1279);
    axis(ABS_MT_POSITION_Y, 799);
    memset(&setup, 0, sizeof setup);
    strcpy(setup.name, "emulated touch panel");
    setup.id.bustype = BUS_VIRTUAL;
    if (ioctl(device, UI_DEV_SETUP, &setup) < 0 || ioctl(device, UI_DEV_CREATE) < 0) {
        perror("UI_DEV_CREATE");
        return 1;
    }
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "down %d %d %d", &number, &x, &y) == 3) {
            slot(number);
            emit(EV_ABS, ABS_MT_TRACKING_ID, next++);
            emit(EV_ABS, ABS_MT_POSITION_X, x);
            emit(EV_ABS, ABS_MT_POSITION_Y, y);
        } else if (sscanf(line, "move %d %d %d", &number, &x, &y) == 3) {
            slot(number);
            emit(EV_ABS, ABS_MT_POSITION_X, x);
            emit(EV_ABS, ABS_MT_POSITION_Y, y);
        } else if (sscanf(line, "up %d", &number) == 1) {
            slot(number);
            emit(EV_ABS, ABS_MT_TRACKING_ID, -1);
        } else if (sscanf(line, "wait %d", &number) == 1) {
            emit(EV_SYN, SYN_REPORT, 0);
            usleep(number * 1000);
        }
    }
    emit(EV_SYN, SYN_REPORT, 0);
    usleep(200000);
    return 0;
}
