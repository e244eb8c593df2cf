//! Where events come from: the simulator and the replay of recorded files.
