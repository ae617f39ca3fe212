//! Hand-made faults of the shell: an executor, a scanner or a recovery that breaks its contract in one way. The
//! simulation must find each, else its checks prove nothing.

/// One broken contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Base is moved without looking whether it still stands where the landing was gated.
    AdvanceWithoutCompare,
    /// Base is moved over a person's uncommitted files.
    AdvanceOverEdits,
    /// The intent to land is not written before base moves.
    IntentNotWritten,
    /// A move replaces a file that is in the target already.
    MoveReplaces,
    /// A move is a copy and, later, a delete.
    MoveByCopy,
    /// A move takes the file from wherever it is.
    MoveFromAnywhere,
    /// An edit reads the file, and writes what it read later, over any save in between.
    EditLosesSave,
    /// A restart does not end what the last daemon left running.
    ForgetKillOnRestart,
    /// A lost hint is never made up for by a rescan.
    LostHintNeverRescanned,
    /// A scan is stamped when it is reported, not when it began.
    StaleScanNotMarked,
    /// A move or a landing is reported before it is done.
    AnswerBeforeAct,
    /// An order to cancel is ignored.
    CancelIgnored,
    /// The merge gates judge the branch, not the commit that is to land.
    GatesOnBranch,
    /// A run is reported as over while its process still works.
    RunOverBeforeEmpty,
    /// The answer of an effect is sometimes lost.
    AnswerLost,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::AdvanceWithoutCompare,
        Self::AdvanceOverEdits,
        Self::IntentNotWritten,
        Self::MoveReplaces,
        Self::MoveByCopy,
        Self::MoveFromAnywhere,
        Self::EditLosesSave,
        Self::ForgetKillOnRestart,
        Self::LostHintNeverRescanned,
        Self::StaleScanNotMarked,
        Self::AnswerBeforeAct,
        Self::CancelIgnored,
        Self::GatesOnBranch,
        Self::RunOverBeforeEmpty,
        Self::AnswerLost,
    ];
}
