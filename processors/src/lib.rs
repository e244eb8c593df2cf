//! What is computed: leaderboards, engagement, markets, moderation.
