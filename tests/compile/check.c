/* Prints what a compiled model says of itself and computes at the positions of a file, numbers by their bits. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

static FILE *input;

static uint64_t word(void) {
    uint64_t bits;
    if (fscanf(input, "%" SCNx64, &bits) != 1) {
        fputs("the file of positions ends early\n", stderr);
        exit(1);
    }
    return bits;
}

static void reals(double *to, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = word();
        memcpy(&to[i], &bits, sizeof bits);
    }
}

static void print(const char *what, const double *values, size_t count) {
    fputs(what, stdout);
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        if (isnan(values[i]))
            fputs(" nan", stdout);
        else
            printf(" %016" PRIx64, bits);
    }
    putchar('\n');
}

static double *room(size_t count) {
    double *values = calloc(count + 1, sizeof *values);
    if (!values) exit(1);
    return values;
}

int main(int count, char **arguments) {
    input = count == 2 ? fopen(arguments[1], "r") : NULL;
    if (!input) return 1;
    if (likelier_interface_version() != LIKELIER_INTERFACE) return 1;
    size_t dimension = likelier_dimension(), parameters = likelier_parameter_count();
    size_t outputs = likelier_output_count(), constraints = likelier_constraint_count();
    if (dimension != LIKELIER_DIMENSION || parameters != LIKELIER_PARAMETERS || outputs != LIKELIER_OUTPUTS ||
        constraints != LIKELIER_CONSTRAINTS)
        return 1;
    printf("%s %s %s\n", likelier_model(), likelier_cpu(), likelier_coordinates());
    for (size_t i = 0; likelier_output_name(i); i++)
        printf("output %s %d\n", likelier_output_name(i), likelier_output_kind(i));
    for (size_t i = 0; likelier_constraint_name(i); i++) printf("constraint %s\n", likelier_constraint_name(i));
    if (likelier_output_kind(outputs) != -1) return 1;
    likelier_state *state = likelier_new();
    if (!state) return 1;
    double *weights = room(constraints + 1), *position = room(dimension), *gradient = room(dimension);
    double *parts = room(3 + constraints), *values = room(parameters), *draw = room(outputs);
    reals(weights, constraints + 1);
    for (uint64_t positions = word(); positions > 0; positions--) {
        uint64_t seed = word(), chain = word(), number = word();
        reals(position, dimension);
        double density = likelier_log_density(state, position, NULL, gradient, parts);
        print("density", &density, 1);
        print("gradient", gradient, dimension);
        print("parts", parts, 3 + constraints);
        if (likelier_log_density(state, position, NULL, NULL, NULL) != density) return 1;
        density = likelier_log_density(state, position, weights, gradient, parts);
        print("weighted", &density, 1);
        print("gradient", gradient, dimension);
        print("parts", parts, 3 + constraints);
        likelier_simulate(state, position, seed, (uint32_t)chain, number, draw);
        print("draw", draw, outputs);
        likelier_constrain(state, position, values);
        print("values", values, parameters);
        printf("inside %d\n", likelier_unconstrain(state, values, position));
        print("position", position, dimension);
        likelier_prior_draw(state, seed, number, position);
        print("prior", position, dimension);
    }
    likelier_free(state);
    likelier_free(NULL);
    free(weights), free(position), free(gradient), free(parts), free(values), free(draw);
    return 0;
}
