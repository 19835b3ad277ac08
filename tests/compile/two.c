/* Two compiled models in one program. */
#include <stdio.h>

#include "first.h"
#include "second.h"

int main(void) {
    first_state *one = first_new();
    second_state *two = second_new();
    double at[FIRST_DIMENSION > SECOND_DIMENSION ? FIRST_DIMENSION : SECOND_DIMENSION] = {0.5};
    printf("%s %.17g\n", first_model(), first_log_density(one, at, NULL, NULL, NULL));
    printf("%s %.17g\n", second_model(), second_log_density(two, at, NULL, NULL, NULL));
    first_free(one);
    second_free(two);
    return 0;
}
