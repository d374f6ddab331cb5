/* The calls of test_other_clients.py through Debian's C client library, one result a line.
   Arguments: address and port. */

#include <stdint.h>
#include <stdio.h>

/* Debian's header includes one that Debian does not have, so what is used of the library is declared here. */
typedef struct {
    uint32_t on, off, delay;
} gpioPulse_t;
typedef void (*callback_t)(int, unsigned, unsigned, uint32_t);
#define EITHER_EDGE 2

int pigpio_start(const char *address, const char *port);
void pigpio_stop(int pi);
void time_sleep(double seconds);
uint32_t get_pigpio_version(int pi);
uint32_t get_hardware_revision(int pi);
int set_mode(int pi, unsigned gpio, unsigned mode);
int get_mode(int pi, unsigned gpio);
int set_pull_up_down(int pi, unsigned gpio, unsigned pull);
int gpio_read(int pi, unsigned gpio);
int gpio_write(int pi, unsigned gpio, unsigned level);
int set_PWM_dutycycle(int pi, unsigned gpio, unsigned duty);
int get_PWM_dutycycle(int pi, unsigned gpio);
int get_PWM_real_range(int pi, unsigned gpio);
int set_PWM_frequency(int pi, unsigned gpio, unsigned hz);
int set_servo_pulsewidth(int pi, unsigned gpio, unsigned us);
int get_servo_pulsewidth(int pi, unsigned gpio);
int gpio_trigger(int pi, unsigned gpio, unsigned us, unsigned level);
int set_watchdog(int pi, unsigned gpio, unsigned ms);
int set_glitch_filter(int pi, unsigned gpio, unsigned us);
int set_noise_filter(int pi, unsigned gpio, unsigned steady, unsigned active);
int wave_clear(int pi);
int wave_add_generic(int pi, unsigned count, gpioPulse_t *pulses);
int wave_get_micros(int pi);
int wave_create(int pi);
int wave_delete(int pi, unsigned id);
int wave_send_once(int pi, unsigned id);
int wave_chain(int pi, char *chain, unsigned size);
int wave_tx_at(int pi);
int wave_tx_busy(int pi);
int store_script(int pi, char *script);
int run_script(int pi, unsigned id, unsigned count, uint32_t *params);
int script_status(int pi, unsigned id, uint32_t *params);
int delete_script(int pi, unsigned id);
int spi_open(int pi, unsigned channel, unsigned baud, unsigned flags);
int spi_xfer(int pi, unsigned handle, char *sent, char *received, unsigned count);
int spi_close(int pi, unsigned handle);
int i2c_open(int pi, unsigned bus, unsigned address, unsigned flags);
int serial_open(int pi, char *tty, unsigned baud, unsigned flags);
int callback(int pi, unsigned gpio, unsigned edge, callback_t function);
int callback_cancel(unsigned id);

#define LINE 24
#define OTHER 27

static unsigned edges;

static void seen(int pi, unsigned gpio, unsigned level, uint32_t tick)
{
    (void)pi, (void)gpio, (void)level, (void)tick;
    edges++;
}

int main(int argc, char **argv)
{
    int pi = argc == 3 ? pigpio_start(argv[1], argv[2]) : -1;
    if (pi < 0)
        return 1;

    printf("%d\n", (int)get_pigpio_version(pi));
    printf("%d\n", (int)get_hardware_revision(pi));
    printf("%d\n", set_mode(pi, LINE, 1));
    printf("%d\n", get_mode(pi, LINE));
    printf("%d\n", gpio_write(pi, LINE, 1));
    printf("%d\n", gpio_read(pi, LINE));
    printf("%d\n", gpio_write(pi, LINE, 0));
    printf("%d\n", gpio_write(pi, 28, 1));
    printf("%d\n", gpio_write(pi, 54, 1));
    printf("%d\n", gpio_write(pi, LINE, 2));
    printf("%d\n", set_mode(pi, LINE, 8));
    printf("%d\n", set_pull_up_down(pi, 25, 2));
    printf("%d\n", gpio_read(pi, 25));
    printf("%d\n", set_PWM_frequency(pi, LINE, 1000));
    printf("%d\n", set_PWM_dutycycle(pi, LINE, 51));
    printf("%d\n", get_PWM_dutycycle(pi, LINE));
    printf("%d\n", get_PWM_real_range(pi, LINE));
    printf("%d\n", set_PWM_dutycycle(pi, LINE, 0));
    printf("%d\n", set_servo_pulsewidth(pi, LINE, 1500));
    printf("%d\n", get_servo_pulsewidth(pi, LINE));
    printf("%d\n", gpio_write(pi, LINE, 0));
    printf("%d\n", get_PWM_dutycycle(pi, LINE));
    printf("%d\n", gpio_trigger(pi, LINE, 50, 1));
    printf("%d\n", set_watchdog(pi, LINE, 60001));
    printf("%d\n", set_glitch_filter(pi, LINE, 100));
    printf("%d\n", set_glitch_filter(pi, LINE, 0));
    printf("%d\n", set_noise_filter(pi, LINE, 300001, 5));

    gpioPulse_t pulses[] = {{1u << LINE, 0, 1000}, {0, 1u << LINE, 2000}};
    printf("%d\n", wave_clear(pi));
    printf("%d\n", wave_add_generic(pi, 2, pulses));
    printf("%d\n", wave_get_micros(pi));
    printf("%d\n", wave_create(pi));
    printf("%d\n", wave_send_once(pi, 7));
    printf("%d\n", wave_tx_at(pi));
    char chain[] = {(char)255, 0, 0, (char)255, 1, 3, 0};
    printf("%d\n", wave_chain(pi, chain, sizeof chain));
    while (wave_tx_busy(pi) == 1)
        ;
    printf("%d\n", wave_delete(pi, 0));
    printf("%d\n", wave_delete(pi, 0));

    char script[] = "lda p0 mlt 2 sta p1 w 27 1 mils 5 w 27 0";
    uint32_t params[10] = {21};
    int id = store_script(pi, script);
    printf("%d\n", id);
    uint32_t before[10];
    while (script_status(pi, id, before) == 0) /* its thread has yet to start */
        ;
    printf("%d\n", run_script(pi, id, 1, params));
    while (script_status(pi, id, params) != 1)
        ;
    printf("%d\n", (int)params[1]);
    printf("%d\n", delete_script(pi, id));
    char wrong[] = "nonsense";
    printf("%d\n", store_script(pi, wrong));

    char reply[3] = {1, (char)0x80, 0};
    int spi = spi_open(pi, 0, 50000, 0);
    printf("%d\n", spi);
    printf("%d\n", spi_xfer(pi, spi, reply, reply, 3));
    printf("%d\n", spi_close(pi, spi));
    printf("%d\n", spi_close(pi, spi));
    printf("%d\n", i2c_open(pi, 1, 0x53, 0));
    char tty[] = "/dev/ttyAMA0";
    printf("%d\n", serial_open(pi, tty, 9600, 0));

    int watch = callback(pi, OTHER, EITHER_EDGE, seen);
    for (int turn = 0; turn < 5; turn++) {
        gpio_write(pi, OTHER, 1);
        time_sleep(0.01);
        gpio_write(pi, OTHER, 0);
        time_sleep(0.01);
    }
    while (edges < 10)
        time_sleep(0.01);
    printf("%u\n", edges);
    callback_cancel(watch);
    pigpio_stop(pi);
    return 0;
}
