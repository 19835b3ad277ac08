//! The way back: from the adjoints of the solution to those of the first point, through the accepted steps in turn.

use super::{Adjoints, Problem, Room, System, Tableau, Trajectory, Workspace, jacobian};

pub(super) fn add(
    system: &mut dyn System,
    problem: &Problem,
    workspace: &mut Workspace,
    trajectory: Trajectory,
    solution: &[f64],
    adjoints: Adjoints,
) {
    let states = problem.states;
    let tableau = problem.settings.method.tableau();
    let stride = Trajectory::stride(tableau, states);
    let marks = &workspace.marks[trajectory.marks..trajectory.marks + problem.times.len()];
    let tape = &workspace.tape[trajectory.tape..];
    let room = &mut workspace.room;
    let size = problem.start.len();
    room.state.clear();
    room.state.resize(states, 0.0);
    room.point.clear();
    room.point.extend_from_slice(problem.start);
    room.stages.resize((tableau.stages + 1) * states, 0.0);
    room.vectors
        .iter_mut()
        .for_each(|vector| vector.resize(states, 0.0));
    if tableau.gamma > 0.0 {
        room.jacobian.resize(states * states, 0.0);
    }
    // Two adjoints of a point: one that gathers what the parameters get, and one to work with.
    room.adjoint.clear();
    room.adjoint.resize(2 * size, 0.0);

    let Adjoints {
        solution: of_solution,
        start: of_start,
        times: mut of_times,
    } = adjoints;
    for (row, &mark) in marks.iter().enumerate().rev() {
        let seed = &of_solution[row * states..(row + 1) * states];
        if let Some(of_times) = &mut of_times {
            room.point[0] = problem.times[row];
            room.point[1..=states].copy_from_slice(&solution[row * states..(row + 1) * states]);
            of_times[row] += along(system, room, seed);
        }
        for (adjoint, seed) in room.state.iter_mut().zip(seed) {
            *adjoint += seed;
        }
        let before = if row > 0 { marks[row - 1] } else { 0 };
        for step in (before..mark).rev() {
            let record = &tape[step * stride..(step + 1) * stride];
            back(system, tableau, states, record, room);
        }
    }
    room.point.copy_from_slice(problem.start);
    let seed = std::mem::take(&mut room.state);
    of_start[0] -= along(system, room, &seed);
    room.state = seed;
    for (adjoint, share) in of_start[1..=states].iter_mut().zip(&room.state) {
        *adjoint += share;
    }
    let shares = &room.adjoint[1 + states..size];
    for (adjoint, share) in of_start[1 + states..].iter_mut().zip(shares) {
        *adjoint += share;
    }
}

/// seed · f at the room's point.
fn along(system: &mut dyn System, room: &mut Room, seed: &[f64]) -> f64 {
    system.derivative(&room.point, &mut room.vectors[0]);
    let terms = room.vectors[0].iter().zip(seed);
    // Where the seed is zero nothing depends on the time, even if the right-hand side has no value there.
    terms
        .map(|(slope, seed)| if *seed == 0.0 { 0.0 } else { slope * seed })
        .sum()
}

/// One step back: `room.state` holds λ.
fn back(
    system: &mut dyn System,
    tableau: &Tableau,
    states: usize,
    record: &[f64],
    room: &mut Room,
) {
    let (time, h) = (record[0], record[1]);
    let size = room.point.len();
    let Room {
        state: lambda,
        point,
        stages: of_stages,
        vectors: [of_slope, unit, _],
        jacobian: derivative,
        matrix,
        adjoint,
        ..
    } = &mut *room;
    let (gathered, spare) = adjoint.split_at_mut(size);
    for stage in (0..tableau.stages).rev() {
        for k in 0..states {
            of_slope[k] = h * tableau.b[stage] * lambda[k];
        }
        for later in stage + 1..tableau.stages {
            let factor = h * tableau.a[later][stage];
            for k in 0..states {
                of_slope[k] += factor * of_stages[later * states + k];
            }
        }
        point[0] = time + tableau.c[stage] * h;
        point[1..=states].copy_from_slice(&record[2 + stage * states..2 + (stage + 1) * states]);
        if tableau.gamma > 0.0 {
            jacobian(system, point, states, unit, spare, derivative);
            if !matrix.factor(states, h * tableau.gamma, derivative) {
                of_slope.fill(f64::NAN);
            } else {
                matrix.solve_transposed(of_slope);
            }
        }
        gathered[..=states].fill(0.0);
        system.add_adjoint(point, of_slope, gathered);
        of_stages[stage * states..(stage + 1) * states].copy_from_slice(&gathered[1..=states]);
    }
    for of_stage in of_stages.chunks_exact(states).take(tableau.stages) {
        for (adjoint, share) in lambda.iter_mut().zip(of_stage) {
            *adjoint += share;
        }
    }
}
